/** The door for worker threads: executes tasks of one program. Every run starts some, so they load no log and no role. */
export { serveWorker } from './runtime/serve-worker.ts';
