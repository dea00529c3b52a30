import type { Json, KeyedBatch, KeyedExecutor, KeyIndex, Row, Winner } from '#engine';
import { sha256, utf8 } from '#engine';
import { seededDraws } from '../../../engine/datavm/draws.ts';
import { openKeyed } from '../../support/open-keyed.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exactSum } from '../../../operators/aggregate/summary.ts';

const open = (name: string, params: Json): Promise<KeyedExecutor> => openKeyed(name, params, { openKeyIndex: plainIndex });

/** The exact index as the plain thing it is; refuses a key that is there already, as its contract says. */
function plainIndex(): KeyIndex {
  const winners = new Map<string, Winner>();
  return {
    get: (key) => winners.get(Buffer.from(key).toString('hex')),
    addAll(keys, ks, is) {
      for (let n = 0; n < ks.length; n++) {
        const name = Buffer.from(keys.subarray(n * 32, n * 32 + 32)).toString('hex');
        if (winners.has(name)) throw new RangeError('the key is in the index already');
        winners.set(name, { k: ks[n] ?? 0, i: is[n] ?? 0 });
      }
    },
    forgetBelow(k) {
      for (const [name, winner] of winners) if (winner.k < k) winners.delete(name);
    },
    get size() {
      return winners.size;
    },
    bytes: () => ({ memory: 0, disk: 0 }),
    close: () => winners.clear(),
  };
}

const batchOf = (k: number, rows: readonly Row[], candidates: readonly number[] = rows.map((_, i) => i)): KeyedBatch => ({
  k,
  rows: Uint32Array.from(rows, (_, row) => row),
  candidate: (row) => candidates[row] ?? 0,
  key: (row) => sha256(utf8(String(rows[row]?.['v']))),
  digest: (row) => sha256(utf8(JSON.stringify(rows[row]))),
  record: () => new Uint8Array(0),
  row: (row) => rows[row] ?? {},
});

/** Runs all batches; the duplicates as `k.i → k.i`, and the deltas. */
function run(
  executor: KeyedExecutor,
  batches: readonly KeyedBatch[],
): { readonly duplicates: readonly string[]; readonly deltas: readonly Uint8Array[] } {
  const duplicates: string[] = [];
  const deltas = batches.map((batch) => {
    const delta = executor.step(batch, {
      duplicate: (row, winner) => duplicates.push(`${batch.k}.${batch.candidate(row)} → ${winner.k}.${winner.i}`),
      reject: () => {},
      charge: () => {},
    });
    executor.apply(delta);
    return delta;
  });
  return { duplicates, deltas };
}

const value = fc.constantFrom('a', 'b', 'c', '😀', '');
const stream = fc.array(fc.array(value, { maxLength: 8 }), { maxLength: 8 });
const batchesOf = (tasks: readonly (readonly string[])[]): readonly KeyedBatch[] =>
  tasks.map((values, k) =>
    batchOf(
      k,
      values.map((v) => ({ v })),
      values.map((_, i) => i * 3),
    ),
  );

describe('dedup', () => {
  it('every duplicate names the first record in order, whatever the batches', async () => {
    await fc.assert(
      fc.asyncProperty(stream, async (tasks) => {
        const first = new Map<string, string>();
        const expected: string[] = [];
        for (const [k, values] of tasks.entries()) {
          for (const [i, v] of values.entries()) {
            const name = `${k}.${i * 3}`;
            const winner = first.get(v);
            if (winner === undefined) first.set(v, name);
            else expected.push(`${name} → ${winner}`);
          }
        }
        expect(run(await open('dedup', { by: ['v'] }), batchesOf(tasks)).duplicates).toEqual(expected);
      }),
    );
  });

  it('a new owner that applied the deltas goes on exactly as the old one', async () => {
    await fc.assert(
      fc.asyncProperty(stream, stream, async (before, after) => {
        const old = await open('dedup', { by: ['v'] });
        const { deltas } = run(old, batchesOf(before));
        const fresh = await open('dedup', { by: ['v'] });
        for (const delta of deltas) fresh.apply(delta);
        const later = after.map((values, k) =>
          batchOf(
            before.length + k,
            values.map((v) => ({ v })),
          ),
        );
        expect(run(fresh, later)).toEqual(run(old, later));
        expect(fresh.report?.()).toEqual(old.report?.());
      }),
    );
  });

  it('with a window, a record is a duplicate exactly if an equal one was kept at most so many tasks before', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(value, { maxLength: 4 }), { maxLength: 25 }),
        fc.integer({ min: 1, max: 6 }),
        async (tasks, window) => {
          const kept = new Map<string, { k: number; name: string }>();
          const expected: string[] = [];
          for (const [k, values] of tasks.entries()) {
            for (const [i, v] of values.entries()) {
              const winner = kept.get(v);
              const name = `${k}.${i * 3}`;
              if (winner !== undefined && k - winner.k <= window) expected.push(`${name} → ${winner.name}`);
              else kept.set(v, { k, name });
            }
          }
          expect(run(await open('dedup', { by: ['v'], window }), batchesOf(tasks)).duplicates).toEqual(expected);
        },
      ),
    );
  });

  it('with a window, a new owner needs no delta before its horizon', async () => {
    await fc.assert(
      fc.asyncProperty(stream, stream, fc.integer({ min: 1, max: 4 }), async (before, after, window) => {
        const old = await open('dedup', { by: ['v'], window });
        const { deltas } = run(old, batchesOf(before));
        const fresh = await open('dedup', { by: ['v'], window });
        for (const delta of deltas.slice(fresh.horizon?.(before.length))) fresh.apply(delta);
        const later = [...before, ...after]
          .map((values, k) =>
            batchOf(
              k,
              values.map((v) => ({ v })),
            ),
          )
          .slice(before.length);
        expect(run(fresh, later)).toEqual(run(old, later));
        expect(fresh.report?.()).toEqual(old.report?.());
      }),
    );
  });

  it('the state changes by `apply` alone', async () => {
    const executor = await open('dedup', { by: ['v'] });
    const step = () => executor.step(batchOf(0, [{ v: 'a' }, { v: 'a' }]), { duplicate: () => {}, reject: () => {}, charge: () => {} });
    expect(step()).toEqual(step());
    expect(executor.report?.()).toEqual({ keys: 0 });
  });

  it('refuses a delta that was cut or has bytes left over', async () => {
    const executor = await open('dedup', { by: ['v'] });
    const [delta = new Uint8Array(0)] = run(await open('dedup', { by: ['v'] }), [batchOf(2, [{ v: 'a' }, { v: 'b' }])]).deltas;
    expect(() => executor.apply(delta.subarray(0, delta.length - 1))).toThrow(/BYTES_INVALID|missing|byte/);
    expect(() => executor.apply(Buffer.concat([delta, Uint8Array.of(0)]))).toThrow(/left over/);
    expect(executor.report?.()).toEqual({ keys: 0 });
    expect(Buffer.from(delta).toString('hex')).toBe(
      `0202${Buffer.from(sha256(utf8('a'))).toString('hex')}${Buffer.from(sha256(utf8('b'))).toString('hex')}0001`,
    );
  });
});

describe('count', () => {
  it('agrees with counting, and groups come in order of their bytes', async () => {
    await fc.assert(
      fc.asyncProperty(stream, async (tasks) => {
        const executor = await open('count', { by: 'v' });
        run(executor, batchesOf(tasks));
        const all = tasks.flat();
        const names = [...new Set(all)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        const groups = Object.fromEntries(names.map((name) => [name, all.filter((v) => v === name).length]));
        const report = executor.report?.();
        expect(report).toEqual({ total: all.length, groups, other: 0 });
      }),
    );
  });

  it('values beyond the limit of groups are counted together, and nothing vanishes', async () => {
    const executor = await open('count', { by: 'v' });
    run(executor, [
      batchOf(
        0,
        Array.from({ length: 10_003 }, (_, n) => ({ v: `g${n}` })),
      ),
    ]);
    expect(executor.report?.()).toMatchObject({ total: 10_003, other: 3 });
  });

  it('without a field all records are counted', async () => {
    const executor = await open('count', {});
    run(executor, batchesOf([['a', 'b'], [], ['a']]));
    expect(executor.report?.()).toEqual({ total: 3 });
  });
});

describe('summary', () => {
  const numbers = fc.array(
    fc.array(
      fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }), fc.constantFrom(0.1, 1e16, -1e16, 1, 5e-324)),
      { maxLength: 10 },
    ),
    { maxLength: 6 },
  );
  const summarise = async (tasks: readonly (readonly number[])[]): Promise<Json | undefined> => {
    const executor = await open('summary', { field: 'v' });
    run(
      executor,
      tasks.map((values, k) =>
        batchOf(
          k,
          values.map((v) => ({ v })),
        ),
      ),
    );
    return executor.report?.();
  };

  it('does not depend on how records are cut into tasks, or on their order', async () => {
    await fc.assert(
      fc.asyncProperty(numbers, async (tasks) => {
        const all = tasks.flat();
        const report = await summarise(tasks);
        expect(await summarise([all])).toEqual(report);
        expect(await summarise(all.map((v) => [v]).reverse())).toEqual(report);
      }),
    );
  });

  it('the sum is exact: it agrees with rational arithmetic, rounded once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.double({ noNaN: true, min: -1e18, max: 1e18 }), fc.constantFrom(0.1, 2 ** 53, 1, -1, 2 ** -40)), {
          maxLength: 30,
        }),
        (values) => {
          // Every double here is a whole multiple of 2^-1074; nearest double of the exact sum by Number() of a BigInt with a sticky shift.
          const exact = values.reduce((sum, v) => sum + multipleOfLeast(v), 0n);
          expect(exactSum(values)).toBe(nearestDouble(exact));
        },
      ),
      { numRuns: 300 },
    );
    expect(exactSum(Array.from({ length: 10 }, () => 0.1))).toBe(1);
    expect(exactSum([1e16, 1, -1e16])).toBe(1);
  });

  it('nulls are counted apart, nothing gives nothing', async () => {
    const executor = await open('summary', { field: 'p.x' });
    run(executor, [batchOf(0, [{ p: { x: 2 } }, { p: { x: null } }, { p: { x: 4 } }])]);
    expect(executor.report?.()).toEqual({ count: 2, nulls: 1, min: 2, max: 4, sum: 6, mean: 3 });
    expect(await summarise([[]])).toEqual({ count: 0, nulls: 0, min: null, max: null, sum: null, mean: null });
  });
});

describe('sample', () => {
  it('is the lowest hashes of all records, in order, however they are cut and applied', async () => {
    await fc.assert(
      fc.asyncProperty(stream, fc.integer({ min: 1, max: 6 }), async (tasks, size) => {
        const executor = await open('sample', { size });
        const { deltas } = run(executor, batchesOf(tasks));
        const draws = seededDraws(7, 'sample');
        const all = tasks.flatMap((values, k) =>
          values.map((_, i) => ({ id: `${k}.${i * 3}`, hash: Buffer.from(draws.bytes(k, 'sample', i * 3)).toString('hex') })),
        );
        all.sort((a, b) => (a.hash < b.hash ? -1 : 1));
        const expected = { size: Math.min(size, all.length), of: all.length, records: all.slice(0, size).map((entry) => entry.id) };
        expect(executor.report?.()).toEqual(expected);
        const rebuilt = await open('sample', { size });
        for (const delta of [...deltas].reverse()) rebuilt.apply(delta);
        expect(rebuilt.report?.()).toEqual(expected);
      }),
    );
  });
});

describe('a snapshot', () => {
  const values = fc.array(fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(0.1, 1e16, -1e16, 0.3)), { maxLength: 8 }), {
    maxLength: 8,
  });
  it.each<[string, Json]>([
    ['count', { by: 'v' }],
    ['count', {}],
    ['sample', { size: 3 }],
    ['summary', { field: 'v' }],
  ])('of %s %j makes a new owner that goes on exactly as the old one, down to its next snapshot', async (name, params) => {
    await fc.assert(
      fc.asyncProperty(values, values, async (before, after) => {
        const batches = [...before, ...after].map((row, k) =>
          batchOf(
            k,
            row.map((v) => ({ v })),
          ),
        );
        const old = await open(name, params);
        run(old, batches.slice(0, before.length));
        const fresh = await open(name, params);
        fresh.restore?.(old.snapshot?.() ?? new Uint8Array(0));
        expect(fresh.report?.()).toEqual(old.report?.());
        expect(run(fresh, batches.slice(before.length))).toEqual(run(old, batches.slice(before.length)));
        expect(fresh.report?.()).toEqual(old.report?.());
        expect(fresh.snapshot?.()).toEqual(old.snapshot?.());
      }),
    );
  });
});

const SCALE = 1074n;

function multipleOfLeast(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  const fraction = bits & 0xfffffffffffffn;
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return bits >> 63n === 1n ? -magnitude : magnitude;
}

/** Round to nearest, ties to even, of n × 2^-1074. */
function nearestDouble(n: bigint): number {
  const magnitude = n < 0n ? -n : n;
  const shift = BigInt(Math.max(0, magnitude.toString(2).length - 53));
  let kept = magnitude >> shift;
  const rest = magnitude - (kept << shift);
  const half = shift === 0n ? 0n : 1n << (shift - 1n);
  if (shift > 0n && (rest > half || (rest === half && (kept & 1n) === 1n))) kept += 1n;
  const power = Number(shift - SCALE);
  const steps = power < -1000 ? Number(kept) * 2 ** -1000 * 2 ** (power + 1000) : Number(kept) * 2 ** power;
  const signed = n < 0n ? -steps : steps;
  return signed === 0 ? 0 : signed;
}
