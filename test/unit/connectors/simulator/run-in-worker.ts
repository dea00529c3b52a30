/** Runs the engine in a worker thread and posts the output as JSON: the worker's own WebAssembly instance has seen no other world. */
import { parentPort, workerData } from 'node:worker_threads';
import { stacks } from '#connectors/simulator';
import type { Row } from '#engine';

const job = workerData as { readonly params: unknown; readonly input: Row; readonly seed: Uint8Array };
const instance = await stacks.open(stacks.params.parse(job.params));
parentPort?.postMessage(JSON.stringify(instance.run(job.input, job.seed)));
