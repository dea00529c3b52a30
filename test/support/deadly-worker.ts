/** Entry of worker threads that know the deadly step. */
import { serveWorker } from '#worker';
import { DEADLY_REGISTRY } from './deadly.ts';

serveWorker(DEADLY_REGISTRY);
