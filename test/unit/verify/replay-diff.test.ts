/** Which record differs between two sides: the lowest one whose fate is not the same. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameBuilder } from '../../../engine/datavm/frame-builder.ts';
import { poisonDrop } from '../../../engine/datavm/source-commitment.ts';
import { fatesInFrames, fatesPublished, firstDifference } from '../../../engine/verify/replay-diff.ts';

const SEED = 611;
const bytes = (n: number): Uint8Array => Uint8Array.of(n, n >> 8, 7);

/** Each candidate of the list has a fate: the record it is passed with, or dropped. */
const fates = fc.uniqueArray(fc.record({ i: fc.nat({ max: 60 }), value: fc.nat({ max: 3 }), dropped: fc.boolean() }), {
  selector: ({ i }) => i,
  maxLength: 20,
});
type Fates = { readonly i: number; readonly value: number; readonly dropped: boolean }[];

function published(list: Fates) {
  const sorted = list.toSorted((a, b) => a.i - b.i);
  const records = sorted.filter(({ dropped }) => !dropped).map(({ i, value }) => ({ i, record: bytes(value) }));
  return fatesPublished(
    records,
    sorted.filter(({ dropped }) => dropped).map(({ i, value }) => poisonDrop(i, bytes(value))),
  );
}

function framed(list: Fates, partitions: number) {
  const builder = new FrameBuilder(partitions);
  for (const { i, value, dropped } of list.toSorted((a, b) => a.i - b.i)) {
    if (dropped) builder.addDrop(poisonDrop(i, bytes(value)));
    else builder.addRecord(i, bytes(value), undefined);
  }
  return fatesInFrames(builder.finish(0, 0));
}

describe('the first record that differs', () => {
  test(`is the lowest one, whatever the partitions (seed ${SEED})`, () => {
    fc.assert(
      fc.property(fates, fates, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), (a, b, few, many) => {
        const fate = (list: Fates, i: number): string => JSON.stringify(list.find((one) => one.i === i) ?? null);
        const expected = Array.from({ length: 61 }, (_, i) => i).find((i) => fate(a, i) !== fate(b, i));
        expect(firstDifference(published(a), published(b))).toBe(expected);
        expect(firstDifference(framed(a, few), framed(b, few))).toBe(expected);
        expect(firstDifference(framed(a, few), framed(a, many))).toBeUndefined();
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
});
