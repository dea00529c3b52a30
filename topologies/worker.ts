/** Entry of a worker thread: executes tasks with the same registry as the process that started it. */
import { serveWorker } from '#engine';
import { registry } from './registry.ts';

serveWorker(registry);
