/**
 * The laws of the log contract (law 9), run on every log. They rely on nothing that only one of them can do: offsets may
 * have gaps, a commit is read back after `waitVisible`, fencing may show as late as the next commit, and a compacted topic
 * may have dropped the older values of a key.
 */
import { afterEach, describe } from 'vitest';
import type { Log } from '#engine';
import { describeCommits } from './log-laws-commits.ts';
import { describeFencing } from './log-laws-fencing.ts';
import { describeModel } from './log-laws-model.ts';
import { describeReading } from './log-laws-reading.ts';
import { describeTopics } from './log-laws-topics.ts';

export interface LogAdapter {
  /** A log that nothing was written to. */
  open(): Promise<Log>;
  /** Another handle to the store of that log, as another process would open it. */
  reopen(log: Log): Promise<Log>;
  /** Closes every handle given out and removes what was stored. */
  destroy(): Promise<void>;
  /** How many random histories the model is compared on: what the store can do in a few seconds. */
  readonly histories: number;
}

export function describeLog(name: string, adapter: LogAdapter): void {
  describe(`the laws of the log: ${name}`, () => {
    afterEach(() => adapter.destroy());
    describeTopics(adapter);
    describeCommits(adapter);
    describeReading(adapter);
    describeFencing(adapter);
    describeModel(adapter);
  });
}
