/** A value above the entry limit is read back as it was, whatever stands between its parts; a part that is missing or foreign is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Append, type LogEntry, type LogLimits, offset } from '#engine';
import { admit } from '../../../engine/contract/log-admission.ts';
import { frameAppends, keyOfValue, PartJoiner, partAppends } from '../../../engine/runtime/frame-parts.ts';
import { bytes, text } from '../../support/log-tools.ts';

const limitsOf = (entryBytes: number): LogLimits => ({ entryBytes, commitBytes: 1e9 });
const headersOf = (name: number): Readonly<Record<string, string>> => ({ k: String(name), attempt: '0', from: '0' });

const entriesOf = (appends: readonly Append[]): LogEntry[] =>
  appends.map(({ key, value, headers = {} }, at) => ({ offset: offset(at * 2), key, value, headers }));

const joined = (entries: readonly LogEntry[], joiner = new PartJoiner('t, partition 0')): Map<string, Uint8Array> => {
  const whole = new Map<string, Uint8Array>();
  for (const entry of entries) {
    const name = entry.headers['k'] ?? '';
    const value = joiner.take(name, entry);
    if (value !== undefined) whole.set(name, value.value);
  }
  return whole;
};

/** Draws from the fronts of the lists until all are empty: any interleaving of several writers. */
function interleave<T>(lists: readonly (readonly T[])[], choices: readonly number[]): T[] {
  const rest = lists.map((list) => [...list]);
  const out: T[] = [];
  for (let n = 0; rest.some((list) => list.length > 0); n++) {
    const open = rest.filter((list) => list.length > 0);
    const next = open[(choices[n % choices.length] ?? 0) % open.length]?.shift();
    if (next !== undefined) out.push(next);
  }
  return out;
}

describe('values above the entry limit', () => {
  it('are read back whole, in entries within the limit, whatever stands between their parts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 3_000 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 400, max: 2_000 }),
        fc.array(fc.nat(9), { minLength: 1, maxLength: 20 }),
        (values, limit, choices) => {
          const limits = limitsOf(limit);
          const lists = values.map((value, name) => frameAppends('t', 0, value, headersOf(name), limits));
          for (const list of lists) expect(() => admit(list, limits)).not.toThrow();
          const whole = joined(entriesOf(interleave(lists, choices)));
          for (const [name, value] of values.entries()) expect(Buffer.from(whole.get(String(name)) ?? []).equals(value)).toBe(true);
        },
      ),
    );
  });

  it('leave a value that fits as the one entry it always was', () => {
    const value = bytes('short');
    expect(frameAppends('t', 1, value, headersOf(3), limitsOf(1_000))).toEqual([
      { topic: 't', partition: 1, value, headers: headersOf(3) },
    ]);
  });

  it('give each part a key of its own, and find the key of the value again', () => {
    const append = { topic: 'proofs', partition: 0, key: bytes('1/0/7/0'), value: new Uint8Array(2_000) };
    const appends = partAppends(append, limitsOf(600));
    expect(appends.length).toBeGreaterThan(3);
    expect(new Set(appends.map(({ key }) => text(key))).size).toBe(appends.length);
    for (const entry of entriesOf(appends)) expect(keyOfValue(entry)).toBe('1/0/7/0');
    expect(entriesOf(partAppends(append, limitsOf(10_000))).map(keyOfValue)).toEqual(['1/0/7/0']);
  });

  const three = entriesOf(frameAppends('t', 0, new Uint8Array(900), headersOf(1), limitsOf(650)));
  const other = entriesOf(frameAppends('t', 0, new Uint8Array(2_000), headersOf(1), limitsOf(650)));
  it.each<[string, (LogEntry | undefined)[]]>([
    ['the first part is missing', three.slice(1)],
    ['a part in the middle is missing', [three[0], three[2]]],
    ['a part stands twice', [three[0], three[0]]],
    ['a part is of another value', [three[0], other[1]]],
    ['a whole value stands between them', [three[0], ...entriesOf(frameAppends('t', 0, bytes('x'), headersOf(1), limitsOf(650)))]],
    ['the count is no number', [{ ...(three[0] as LogEntry), headers: { ...headersOf(1), part: '0', parts: 'many' } }]],
  ])('are refused when %s', (_, entries) => {
    const given = entries.filter((entry) => entry !== undefined);
    expect(() => joined(given)).toThrow(expect.objectContaining({ code: 'LOG_CORRUPT' }));
  });

  it('are passed over in part where the log may have forgotten some, and read where they are whole', () => {
    const joiner = new PartJoiner('t, partition 0');
    joiner.partial = true;
    const whole = joined([...three.slice(1), ...three], joiner);
    expect(whole.get('1')).toHaveLength(900);
  });
});
