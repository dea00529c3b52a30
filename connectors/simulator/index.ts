/** Simulators that run inside the process. */
import type { DataEngine } from '#kernel';
import { stacks } from './stacks.ts';

export { stacks };

/** Every engine of this connector, for the registry of the process. */
export const engines: readonly DataEngine[] = [stacks];
export { openSimulatorHost, type SimulatorHost, type SimulatorHostOptions } from './host.ts';
