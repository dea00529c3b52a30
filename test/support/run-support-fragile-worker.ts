/** Entry of worker threads that know the fragile step. */
import { serveWorker } from '#worker';
import { FRAGILE_REGISTRY } from './run-support-fragile.ts';

serveWorker(FRAGILE_REGISTRY);
