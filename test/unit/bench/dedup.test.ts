import { describe, expect, it } from 'vitest';
import { BLOOM_TARGET_RATE } from '#connectors/embedded';
import { bloomRates, expectedRate } from '../../bench/dedup/bloom.ts';
import { KEY_BYTES, keyStream } from '../../bench/dedup/key-stream.ts';

const DISTINCT = 5_000;

describe('records for a dedup', () => {
  it('have as many different keys as were asked for, and a fifth of them repeat an earlier one', () => {
    const keys: string[] = [];
    for (const batch of keyStream(DISTINCT, 256))
      for (let row = 0; row < batch.count; row++) keys.push(batch.keys.toString('hex', row * KEY_BYTES, (row + 1) * KEY_BYTES));
    expect(new Set(keys).size).toBe(DISTINCT);
    expect(keys.length).toBeGreaterThan(DISTINCT * 1.2);
    expect(keys.length).toBeLessThan(DISTINCT * 1.3);
  });
});

describe('the filter before the disk', () => {
  it('is wrong as often as its formula says, within a fifth', () => {
    const { measured, expected } = bloomRates(100_000);
    expect(expected).toBeGreaterThan(BLOOM_TARGET_RATE * 0.9);
    expect(expected).toBeLessThan(BLOOM_TARGET_RATE * 1.1);
    expect(measured / expected).toBeLessThan(1.2);
    expect(measured / expected).toBeGreaterThan(0.8);
  });

  it('would be wrong more often with more keys than it was sized for', () => {
    expect(expectedRate(9_585_059, 1_000_000, 2_000_000)).toBeGreaterThan(10 * expectedRate(9_585_059, 1_000_000, 1_000_000));
  });
});
