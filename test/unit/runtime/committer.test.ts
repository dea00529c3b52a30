/** One transaction at a time, what waits goes together, and every outcome but `committed` is an error of everyone in it (law 2, P2). */
import { describe, expect, it } from 'vitest';
import type { Append, CommitOutcome, Log, LogWriter } from '#engine';
import { MizuError, offset } from '#engine';
import { Committer } from '../../../engine/runtime/committer.ts';
import { bytes, codeOf, note, readTexts, rejection } from '../../support/log-tools.ts';
import { withQuickLog } from '../../support/run-support.ts';

const TOPIC = 'things';

/** A log whose writers give what the test says, in turn, and which counts commits. */
class ScriptedLog {
  readonly commits: (readonly Append[])[] = [];
  private readonly outcomes: CommitOutcome[];
  readonly log: Log;

  constructor(log: Log, outcomes: readonly CommitOutcome[]) {
    this.outcomes = [...outcomes];
    const writer: LogWriter = {
      owner: 'scripted',
      commit: async (appends) => {
        this.commits.push(appends);
        return this.outcomes.shift() ?? { status: 'committed', offsets: appends.map(() => offset(0)) };
      },
      waitVisible: async () => {},
      close: async () => {},
    };
    this.log = Object.assign(Object.create(log), { openWriter: async () => writer, limits: { entryBytes: 100, commitBytes: 100 } });
  }
}

async function withTopic<T>(use: (log: Log) => Promise<T>): Promise<T> {
  return withQuickLog(async (log) => {
    await log.createTopic({ name: TOPIC, partitions: 1, cleanup: 'keep' });
    return use(log);
  });
}

const failed = (error: Error): CommitOutcome => ({ status: 'aborted', writerDead: false, error });

describe('a committer', () => {
  it('makes everything readable before it says so, in the order in which it was asked', async () => {
    await withTopic(async (log) => {
      const committer = await Committer.open(log, 'a');
      const asked = ['1', '2', '3', '4'].map((value) => committer.commit([note(TOPIC, 0, value)]));
      await asked[0];
      expect(await readTexts(log, TOPIC, 0)).toContain('1');
      await Promise.all(asked);
      expect(await readTexts(log, TOPIC, 0)).toEqual(['1', '2', '3', '4']);
      await committer.close();
    });
  });

  it('puts what waits while one commit runs into the next one together', async () => {
    await withTopic(async (real) => {
      const script = new ScriptedLog(real, []);
      const committer = await Committer.open(script.log, 'a');
      await Promise.all(['1', '2', '3'].map((value) => committer.commit([note(TOPIC, 0, value)])));
      expect(script.commits.map((appends) => appends.length)).toEqual([1, 2]);
    });
  });

  it('leaves for the next commit what would make one more than half of what the log takes', async () => {
    await withTopic(async (real) => {
      const script = new ScriptedLog(real, []);
      const committer = await Committer.open(script.log, 'a');
      const big = { topic: TOPIC, partition: 0, value: bytes('x'.repeat(30)) };
      await Promise.all([1, 2, 3].map(() => committer.commit([big])));
      expect(script.commits).toHaveLength(3);
    });
  });

  it('gives each outcome its error, to everyone in the commit and to nobody else', async () => {
    await withTopic(async (real) => {
      const lost = new MizuError('DISK_FULL', 'The disk is full');
      const script = new ScriptedLog(real, [failed(lost), { status: 'committed', offsets: [] }]);
      const committer = await Committer.open(script.log, 'a');
      const first = rejection(committer.commit([note(TOPIC, 0, '1')]));
      const second = committer.commit([note(TOPIC, 0, '2')]);
      expect(await first).toBe(lost);
      await second;

      const unknown = await Committer.open(
        new ScriptedLog(real, [{ status: 'unknown', error: new MizuError('LOG_BUSY', 'no answer') }]).log,
        'a',
      );
      const error = await rejection(unknown.commit([note(TOPIC, 0, '1')]));
      expect(codeOf(error)).toBe('LOG_UNKNOWN_OUTCOME');
      expect(error.message).toContain("'scripted'");
      expect(error.cause).toMatchObject({ message: 'no answer' });
    });
  });

  it('of an owner that another process took over is refused', async () => {
    await withTopic(async (log) => {
      const old = await Committer.open(log, 'same');
      const taken = await Committer.open(log, 'same');
      expect(codeOf(await rejection(old.commit([note(TOPIC, 0, 'late')])))).toBe('LOG_FENCED');
      await taken.commit([note(TOPIC, 0, 'now')]);
      expect(await readTexts(log, TOPIC, 0)).toEqual(['now']);
    });
  });
});
