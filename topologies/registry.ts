/** Everything that this installation can execute: one explicit typed list, the same for the main thread, workers and replays. */
import type { Registry } from '#kernel';
import { engines as arithmeticEngines, operators } from '#operators';
import { engines as simulators } from '#connectors/simulator';

export const registry: Registry = { operators, engines: [...simulators, ...arithmeticEngines] };
