/**
 * The exact index of local storage equals a plain Map that forgets, wherever it keeps its keys and whatever its Bloom filter says; the filter
 * answers "surely new" without a look at the table on disk, at about the rate it was sized for; memory and disk stay bounded by the window.
 */
import { createHash } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOOM_TARGET_RATE, type CountedKeyIndex, type LocalStorageOptions, openLocalStorage } from '#connectors/embedded';
import { temporaryFolder } from '../support/log-embedded.ts';

const KEY_BYTES = 32;

/** So little memory that keys go to disk at once, so that the filter and the table there are used. */
const ON_DISK = { indexMemoryBytes: 0, bufferKeys: 1 };

async function withIndex(
  expectedKeys: number,
  use: (index: CountedKeyIndex, directory: string) => void,
  options: LocalStorageOptions = ON_DISK,
): Promise<void> {
  const directory = temporaryFolder();
  const storage = openLocalStorage(directory, options);
  try {
    use(storage.openKeyIndex('step/0', expectedKeys), directory);
  } finally {
    await storage.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

const keyOf = (n: number): Uint8Array => createHash('sha256').update(String(n)).digest();

function add(index: CountedKeyIndex, keys: readonly Uint8Array[], ks: readonly number[], is: readonly number[]): void {
  index.addAll(Buffer.concat(keys), Float64Array.from(ks), Uint32Array.from(is));
}

/** Keys from a small pool, so that they meet again; some differ only outside the bytes that the filter looks at. */
const aKey = fc.tuple(fc.nat(60), fc.nat(2)).map(([n, tail]) => {
  const key = Uint8Array.from(keyOf(n));
  key[KEY_BYTES - 1] = tail;
  return key;
});
const aBatch = fc.array(fc.record({ key: aKey, k: fc.nat({ max: Number.MAX_SAFE_INTEGER }), i: fc.nat({ max: 2 ** 32 - 1 }) }), {
  maxLength: 30,
});

describe('the exact key index', () => {
  it('equals a plain Map under any batches, the first winner of a key staying', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(aBatch, { maxLength: 8 }), fc.array(aKey, { maxLength: 30 }), async (batches, questions) => {
        await withIndex(10, (index) => {
          const plain = new Map<string, { k: number; i: number }>();
          for (const batch of batches) {
            for (const { key, k, i } of batch) {
              const name = Buffer.from(key).toString('hex');
              if (!plain.has(name)) plain.set(name, { k, i });
            }
            add(
              index,
              batch.map(({ key }) => key),
              batch.map(({ k }) => k),
              batch.map(({ i }) => i),
            );
            expect(index.size).toBe(plain.size);
            for (const key of [...questions, ...batch.map((one) => one.key)])
              expect(index.get(key)).toEqual(plain.get(Buffer.from(key).toString('hex')));
          }
        });
      }),
      { numRuns: 40 },
    );
  });

  it('never looks a new key up in vain more often than twice the target rate, and counts every answer', async () => {
    await withIndex(4_000, (index) => {
      const numbers = Array.from({ length: 4_000 }, (_, n) => n);
      add(index, numbers.map(keyOf), numbers, numbers);
      const added = index.counters();
      for (const n of numbers) expect(index.get(keyOf(n))).toEqual({ k: n, i: n });
      const known = index.counters();
      // The last key waits in memory for the next one.
      expect(known).toEqual({ ...added, positives: added.positives + 3_999 });
      for (let n = 4_000; n < 14_000; n++) expect(index.get(keyOf(n))).toBeUndefined();
      const after = index.counters();
      const falsePositives = after.falsePositives - known.falsePositives;
      expect(after.negatives - known.negatives + falsePositives).toBe(10_000);
      expect(after.positives - known.positives).toBe(falsePositives);
      expect(falsePositives).toBeLessThan(10_000 * BLOOM_TARGET_RATE * 2);
    });
  });

  it('keeps that rate when far more keys come than were expected', async () => {
    await withIndex(1, (index) => {
      for (let from = 0; from < 10_000; from += 1_000) {
        const numbers = Array.from({ length: 1_000 }, (_, n) => from + n);
        add(index, numbers.map(keyOf), numbers, numbers);
      }
      const before = index.counters();
      for (let n = 10_000; n < 20_000; n++) expect(index.get(keyOf(n))).toBeUndefined();
      expect(index.get(keyOf(0))).toEqual({ k: 0, i: 0 });
      expect(index.counters().falsePositives - before.falsePositives).toBeLessThan(10_000 * BLOOM_TARGET_RATE * 2);
      expect(index.size).toBe(10_000);
    });
  });

  it('tells the bytes that it holds, which grow on disk', async () => {
    await withIndex(5_000, (index) => {
      const before = index.bytes();
      const numbers = Array.from({ length: 5_000 }, (_, n) => n);
      add(index, numbers.map(keyOf), numbers, numbers);
      expect(index.bytes().disk).toBeGreaterThan(before.disk + 4_999 * KEY_BYTES);
      for (let n = 5_000; n < 10_000; n++) add(index, [keyOf(n)], [n], [n]);
      expect(index.bytes().disk).toBeGreaterThan(before.disk + 9_999 * KEY_BYTES);
    });
  });

  const places: readonly (readonly [string, LocalStorageOptions])[] = [
    ['in memory', {}],
    ['on disk', ON_DISK],
    ['in both', { indexMemoryBytes: 20_000, bufferKeys: 7 }],
  ];
  it.each(places)('equals a plain Map that forgets, with its keys %s', async (_, options) => {
    const aStep = fc.record({ step: fc.integer({ min: 1, max: 4 }), keys: fc.array(fc.nat(300), { maxLength: 60 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(aStep, { maxLength: 30 }), fc.integer({ min: 0, max: 12 }), async (steps, window) => {
        await withIndex(
          10,
          (index) => {
            const plain = new Map<number, { k: number; i: number }>();
            let k = 0;
            for (const { step, keys } of steps) {
              k += step;
              index.forgetBelow(k - window);
              for (const [n, winner] of plain) if (winner.k < k - window) plain.delete(n);
              for (const n of keys) expect(index.get(keyOf(n))).toEqual(plain.get(n));
              keys.forEach((n, i) => {
                if (!plain.has(n)) plain.set(n, { k, i });
              });
              add(
                index,
                keys.map(keyOf),
                keys.map(() => k),
                keys.map((__, i) => i),
              );
              expect(index.size).toBe(plain.size);
            }
          },
          options,
        );
      }),
      { numRuns: 30 },
    );
  });

  it.each(places)('holds no more than two windows of keys, however long the stream, with its keys %s', async (_, options) => {
    await withIndex(
      10,
      (index) => {
        let largest = { memory: 0, disk: 0 };
        for (let k = 0; k < 2_000; k++) {
          index.forgetBelow(k - 20);
          add(
            index,
            Array.from({ length: 10 }, (__, n) => keyOf(k * 10 + n)),
            new Array<number>(10).fill(k),
            new Array<number>(10).fill(0),
          );
          const bytes = index.bytes();
          if (k === 100) largest = bytes;
          if (k > 100) expect(bytes.memory).toBeLessThanOrEqual(largest.memory * 2);
          if (k > 100) expect(bytes.disk).toBeLessThanOrEqual(largest.disk * 2);
        }
        expect(index.size).toBe(210);
      },
      options,
    );
  });

  it('gives the memory of what it forgot to the other indexes of the process', async () => {
    const directory = temporaryFolder();
    const storage = openLocalStorage(directory, { indexMemoryBytes: 80_000, bufferKeys: 1 });
    const keys = Array.from({ length: 1_000 }, (_, n) => keyOf(n));
    const fill = (index: CountedKeyIndex): number => {
      add(index, keys, new Array<number>(1_000).fill(0), new Array<number>(1_000).fill(0));
      for (const key of keys) index.get(key);
      return index.counters().positives;
    };
    const first = storage.openKeyIndex('first', 10);
    expect(fill(first)).toBe(0);
    expect(fill(storage.openKeyIndex('second', 10))).toBeGreaterThan(0);
    first.forgetBelow(1);
    expect(fill(storage.openKeyIndex('third', 10))).toBe(0);
    await storage.close();
    rmSync(directory, { recursive: true });
  });

  it('leaves nothing in its folder, not even what a killed process left', async () => {
    const directory = temporaryFolder();
    const ofADeadProcess = join(directory, 'index-4194305-0-step.db');
    writeFileSync(ofADeadProcess, 'left over');
    writeFileSync(join(directory, 'something-else'), 'kept');
    const storage = openLocalStorage(directory);
    const index = storage.openKeyIndex('a/../b', 10);
    add(index, [keyOf(1)], [1], [1]);
    if (process.platform !== 'win32') expect(readdirSync(directory)).toEqual(['something-else']);
    await storage.close();
    expect(readdirSync(directory)).toEqual(['something-else']);
    expect(() => index.get(keyOf(1))).toThrow(/closed/);
    rmSync(directory, { recursive: true });
  });
});
