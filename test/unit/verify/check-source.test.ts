/** Cuts and copies of a topic that leave something out, or take it twice, are found without executing anything (P7, P13, law 5). */
import { describe, expect, it } from 'vitest';
import type { CutEntry } from '../../../engine/dispatch/control-entry.ts';
import { ControlTail } from '../../../engine/runtime/control-tail.ts';
import { LiveIngest } from '../../../engine/runtime/live-ingest.ts';
import { checkCopy, CutCheck } from '../../../engine/verify/check-source.ts';
import type { Append, LogEntry } from '#engine';
import { readAll } from '../../support/log-tools.ts';
import { MemoryTopic } from '../../support/memory-topic.ts';
import { withQuickLog } from '../../support/run-support.ts';
import { compileTopic, topicRun } from '../../support/topic-roles.ts';

const SIZE = 10;

describe('the cuts of a topic', () => {
  const bounds = {
    topic: 't',
    partitions: [
      { from: 5, to: 20 },
      { from: 0, to: 8 },
    ],
  };
  const cut = (k: number, first: number, ranges: CutEntry['ranges'], count?: number): CutEntry => ({
    type: 'cut',
    k,
    branch: 0,
    first,
    count: count ?? ranges.reduce((sum, [, from, to]) => sum + to - from, 0),
    ranges,
  });
  const good = [
    cut(0, 0, [[0, 5, 15]]),
    cut(1, 10, [
      [1, 0, 8],
      [0, 15, 17],
    ]),
    cut(2, 20, [[0, 17, 20]]),
  ];

  async function found(cuts: readonly CutEntry[], reason: 'exhausted' | 'drained' = 'exhausted'): Promise<string[]> {
    const { program } = await compileTopic(', ingest: reference, until: end', SIZE);
    const check = new CutCheck(program, bounds);
    const reports: string[] = [];
    const report = (where: string, message: string): void => void reports.push(`${where}: ${message}`);
    for (const one of cuts) check.check(one.k, { cut: one, attempt: 0, accepted: true, poison: [] }, report);
    check.end(reason, 0, report);
    return reports;
  }

  it('that take everything once and in order are not reported', async () => {
    expect(await found(good)).toEqual([]);
    expect(await found(good.slice(0, 1), 'drained')).toEqual([]);
  });

  it.each<[string, readonly CutEntry[], RegExp]>([
    ['leave records out', [cut(0, 0, [[0, 6, 15]]), ...good.slice(1)], /takes 6 to 15 of partition 0 of the source; 5 comes next/],
    ['take records twice', [good[0] as CutEntry, cut(1, 10, [[0, 14, 17]])], /takes 14 to 17 of partition 0.*15 comes next/],
    ['go beyond the end', [...good.slice(0, 2), cut(2, 20, [[0, 17, 21]])], /takes 17 to 21/],
    ['count wrongly', [cut(0, 0, [[0, 5, 15]], 9), ...good.slice(1)], /allots 9 candidates from 0 on; its ranges give 10/],
    ['number wrongly', [cut(0, 1, [[0, 5, 15]]), ...good.slice(1)], /allots 10 candidates from 1 on/],
    ['are larger than a task', [cut(0, 0, [[0, 5, 16]])], /10 are allowed/],
    ['are empty', [cut(0, 0, [])], /its ranges give 0/],
    ['stop before the end', good.slice(0, 2), /partition 0 of the topic 't' is not cut to its end/],
  ])('that %s are', async (_what, cuts, says) => {
    expect((await found(cuts)).join('\n')).toMatch(says);
  });
});

describe('the copy of a topic', () => {
  /** What is found of a copy whose entries were changed so. */
  async function found(change: (entries: readonly LogEntry[]) => readonly Omit<LogEntry, 'offset'>[]): Promise<string[]> {
    return withQuickLog(async (log) => {
      const topic = new MemoryTopic('t', 2);
      const run = await topicRun(log, topic, '', SIZE);
      const { context } = run;
      const reports: string[] = [];
      for (let commit = 0; commit < 3; commit++) {
        topic.append(0, ['a', 'b']);
        topic.append(1, ['c'], 1);
        const stop = new AbortController();
        const ingest = await LiveIngest.open({ ...context, signal: stop.signal }, new ControlTail(log, context.topics.control), run.open);
        const copying = ingest?.run().subscribe(() => stop.abort());
        while (!stop.signal.aborted) await new Promise(setImmediate);
        copying?.unsubscribe();
        await ingest?.close();
      }
      const entries = await readAll(log, context.topics.source, 0);
      return withQuickLog(async (other) => {
        await other.createTopic({ name: context.topics.source, partitions: 1, cleanup: 'keep' });
        const writer = await other.openWriter('w/1/ingest');
        const appends = change(entries).map(
          ({ value, headers }): Append => ({ topic: context.topics.source, partition: 0, value, headers }),
        );
        await writer.commit(appends);
        await writer.close();
        await checkCopy(
          other,
          context.topics,
          context.program,
          { bounds: context.source, closed: true },
          (where, message) => void reports.push(`${where}: ${message}`),
        );
        return reports;
      });
    });
  }
  const withHeader = (entry: LogEntry | undefined, name: string, text: string): Omit<LogEntry, 'offset'> => ({
    key: undefined,
    value: entry?.value ?? new Uint8Array(0),
    headers: { ...entry?.headers, [name]: text },
  });

  it('as it was made is not reported', async () => {
    expect(await found((entries) => entries)).toEqual([]);
  });

  it('without an entry, with one twice, or with other positions is', async () => {
    expect((await found((entries) => [...entries.slice(0, 1), ...entries.slice(2)])).join('\n')).toMatch(
      /its headers say 3 records from 6 on; it holds 3 from 3 on/,
    );
    const repeated = await found((entries) => [...entries.slice(0, 2), withHeader(entries[1], 'from', '6')]);
    expect(repeated.join('\n')).toMatch(/it holds offset 2 of partition 0 of the topic; 4 or a later one comes next/);
    const back = await found((entries) => [...entries.slice(0, 2), withHeader(entries[2], 'positions', '[1,2]')]);
    expect(back.join('\n')).toMatch(/says that partition 0 goes on at 1; its copied records end before 6/);
  });
});
