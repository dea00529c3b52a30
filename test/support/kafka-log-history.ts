/**
 * What writers were told, against what readers see. Every commit of a history puts its id into all places, into the first one twice, so a
 * torn, lost, repeated or resurrected commit shows.
 */
import { expect } from 'vitest';
import type { Append, CommitOutcome, Log, LogEntry } from '#engine';
import { bytes, START, text } from './log-tools.ts';

export const PLACES = [
  ['alpha', 0],
  ['alpha', 1],
  ['beta', 0],
] as const;

export interface Told {
  readonly id: string;
  readonly outcome: CommitOutcome;
}

/** Values are an id and padding. */
const idOf = (entry: LogEntry): string => text(entry.value).split('|')[0] ?? '';

export async function makeTopics(log: Log): Promise<void> {
  await log.createTopic({ name: 'alpha', partitions: 2, cleanup: 'keep' });
  await log.createTopic({ name: 'beta', partitions: 1, cleanup: 'keep' });
}

export function appendsOf(id: string, padding: number): readonly Append[] {
  const value = bytes(`${id}|${'x'.repeat(padding)}`);
  const everywhere = PLACES.map(([topic, partition]) => ({ topic, partition, value }));
  return [...everywhere, { topic: 'alpha', partition: 0, value }];
}

/** Commits as an owner, opening the writer again whenever it is dead, until told to stop. */
export async function keepWriting(log: Log, owner: string, padding: number, goOn: (n: number) => boolean): Promise<readonly Told[]> {
  const told: Told[] = [];
  let writer = await log.openWriter(owner);
  for (let n = 0; goOn(n); n++) {
    const id = `${owner} ${n}`;
    const outcome = await writer.commit(appendsOf(id, padding));
    told.push({ id, outcome });
    if (outcome.status === 'unknown' || (outcome.status === 'aborted' && outcome.writerDead)) {
      await writer.close();
      writer = await log.openWriter(owner);
    }
  }
  await writer.waitVisible();
  await writer.close();
  return told;
}

/** Follows every place until the signal aborts, by waiting and reading in turn. */
export async function follow(log: Log, signal: AbortSignal): Promise<ReadonlyMap<string, readonly LogEntry[]>> {
  const seen = PLACES.map(async ([topic, partition]) => {
    const all: LogEntry[] = [];
    let from = START;
    while (await log.waitBeyond(topic, partition, from, signal)) {
      const { entries, next } = await log.read(topic, partition, from);
      all.push(...entries);
      from = next;
    }
    return [`${topic}/${partition}`, all] as const;
  });
  return new Map(await Promise.all(seen));
}

/** Everything that is there now. */
export async function readPlaces(log: Log): Promise<ReadonlyMap<string, readonly LogEntry[]>> {
  const read = PLACES.map(async ([topic, partition]) => {
    const all: LogEntry[] = [];
    for (let from = START; ; ) {
      const { entries, next } = await log.read(topic, partition, from);
      if (entries.length === 0) return [`${topic}/${partition}`, all] as const;
      all.push(...entries);
      from = next;
    }
  });
  return new Map(await Promise.all(read));
}

/** What is seen = all that was committed, at the offsets told, and of the unknown some, each whole; in order of each owner. */
export function expectTruth(told: readonly Told[], seen: ReadonlyMap<string, readonly LogEntry[]>): void {
  const counts = new Map<string, number[]>();
  for (const [n, [topic, partition]] of PLACES.entries()) {
    const entries = seen.get(`${topic}/${partition}`) ?? [];
    for (const entry of entries) {
      const count = counts.get(idOf(entry)) ?? PLACES.map(() => 0);
      count[n] = (count[n] ?? 0) + 1;
      counts.set(idOf(entry), count);
    }
    expect(inOrder(entries)).toEqual([]);
  }
  const whole = [2, 1, 1];
  for (const { id, outcome } of told) {
    const count = counts.get(id);
    counts.delete(id);
    if (outcome.status === 'aborted') expect([id, count]).toEqual([id, undefined]);
    if (outcome.status === 'unknown') expect([id, count ?? whole]).toEqual([id, whole]);
    if (outcome.status !== 'committed') continue;
    expect([id, count]).toEqual([id, whole]);
    for (const [n, [topic, partition]] of [...PLACES, PLACES[0]].entries()) {
      const entry = seen.get(`${topic}/${partition}`)?.find((candidate) => candidate.offset === outcome.offsets[n]);
      expect(entry && idOf(entry)).toBe(id);
    }
  }
  expect([...counts.keys()]).toEqual([]);
}

/** Places where an owner's numbers go down or offsets do not go up. */
function inOrder(entries: readonly LogEntry[]): string[] {
  const wrong: string[] = [];
  const last = new Map<string, number>();
  let offset = -1;
  for (const entry of entries) {
    const [owner = '', number = ''] = idOf(entry).split(' ');
    if (entry.offset <= offset || Number(number) < (last.get(owner) ?? 0)) wrong.push(`${idOf(entry)} at ${entry.offset}`);
    offset = entry.offset;
    last.set(owner, Number(number));
  }
  return wrong;
}

export function countOf(told: readonly Told[], status: CommitOutcome['status']): number {
  return told.filter(({ outcome }) => outcome.status === status).length;
}
