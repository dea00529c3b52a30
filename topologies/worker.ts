/** Entry of a worker thread: executes tasks with the same registry as the process that started it. */
import { enableCompileCache } from 'node:module';

// A thread does not have its process' cache of stripped and compiled code, unless it asks.
enableCompileCache();
const [{ serveWorker }, { registry }] = await Promise.all([import('#worker'), import('./registry.ts')]);

serveWorker(registry);
