/**
 * The exact index of local storage equals a plain Map, whatever its Bloom filter says; the filter answers "surely new"
 * without a look at the table, at about the rate it was sized for.
 */
import { createHash } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOOM_TARGET_RATE, type CountedKeyIndex, openLocalStorage } from '#connectors/embedded';
import { temporaryFolder } from '../support/log-embedded.ts';

const KEY_BYTES = 32;

async function withIndex(expectedKeys: number, use: (index: CountedKeyIndex, directory: string) => void): Promise<void> {
  const directory = temporaryFolder();
  const storage = openLocalStorage(directory);
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
      for (const n of numbers) expect(index.get(keyOf(n))).toEqual({ k: n, i: n });
      expect(index.counters()).toEqual({ negatives: 0, positives: 4_000, falsePositives: 0 });
      for (let n = 4_000; n < 14_000; n++) expect(index.get(keyOf(n))).toBeUndefined();
      const { negatives, positives, falsePositives } = index.counters();
      expect(negatives + falsePositives).toBe(10_000);
      expect(positives).toBe(4_000 + falsePositives);
      expect(falsePositives).toBeLessThan(10_000 * BLOOM_TARGET_RATE * 2);
    });
  });

  it('keeps that rate when far more keys come than were expected', async () => {
    await withIndex(1, (index) => {
      for (let from = 0; from < 10_000; from += 1_000) {
        const numbers = Array.from({ length: 1_000 }, (_, n) => from + n);
        add(index, numbers.map(keyOf), numbers, numbers);
      }
      for (let n = 10_000; n < 20_000; n++) index.get(keyOf(n));
      expect(index.get(keyOf(0))).toEqual({ k: 0, i: 0 });
      expect(index.counters().falsePositives).toBeLessThan(10_000 * BLOOM_TARGET_RATE * 2);
      expect(index.size).toBe(10_000);
    });
  });

  it('tells the bytes that it holds, which grow on disk', async () => {
    await withIndex(5_000, (index) => {
      const before = index.bytes();
      const numbers = Array.from({ length: 5_000 }, (_, n) => n);
      add(index, numbers.map(keyOf), numbers, numbers);
      expect(index.bytes().disk).toBeGreaterThan(before.disk + 5_000 * KEY_BYTES);
      expect(index.bytes().memory).toBe(before.memory);
    });
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
