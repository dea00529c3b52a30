/**
 * Pulled streams (law 6): RxJS buffers what is pushed faster than it is handled, so data paths here pull. Each turn
 * starts only when the one before is done, and a turn that returns `undefined` ends the stream.
 */
import type { Observable } from 'rxjs';
import { defer, repeat, takeWhile } from 'rxjs';

/** Runs `turn` over and over, one at a time, until it gives undefined. Unsubscribing ends it after the running turn. */
export function pulled<T>(turn: () => Promise<T | undefined>): Observable<T> {
  return defer(turn).pipe(
    repeat(),
    takeWhile((value): value is Awaited<T> & (T & {}) => value !== undefined),
  ) as Observable<T>;
}
