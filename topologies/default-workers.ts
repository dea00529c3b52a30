/** How many worker threads a process starts when nobody says. */
import { availableParallelism } from 'node:os';

/** More threads than this seldom help on one machine. */
const WORKERS_LIMIT = 64;

/** One per core, at most 64. */
export function defaultWorkers(): number {
  return Math.min(availableParallelism(), WORKERS_LIMIT);
}
