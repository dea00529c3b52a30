import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memoryOf } from '../../bench/harness/process-tree.ts';
import { tableOf } from '../../bench/harness/result.ts';
import { FLAT_RATIO, Series } from '../../bench/harness/series.ts';
import { W1_SEED, W1Generator } from '../../bench/w1/generator.ts';
import { Laps, REPEAT_REACH } from '../../bench/w1/laps.ts';

const HOUR_MS = 3_600_000;

function seriesOf(values: readonly number[], everyMs = 1_000): Series {
  const series = new Series();
  for (const [n, value] of values.entries()) series.add(n * everyMs, value);
  return series;
}

describe('a series', () => {
  it('is told by the medians of the thirds of its time, its slope and its peak', () => {
    expect(seriesOf([1, 90, 2, 3, 4, 5, 6, 7, 8], HOUR_MS).trend()).toMatchObject({ first: 2, middle: 4, last: 7, ratio: 3.5, peak: 90 });
    expect(seriesOf([10, 12, 14, 16, 18, 20], HOUR_MS).trend()?.slopePerHour).toBeCloseTo(2);
  });

  it('is flat as long as its last third is not above the middle one by more than the bound, also when it falls', () => {
    const flat = (last: number) => seriesOf([50, 50, 100, 100, last, last]).trend()?.flat;
    expect(flat(100 * FLAT_RATIO)).toBe(true);
    expect(flat(100 * FLAT_RATIO + 0.1)).toBe(false);
    expect(flat(10)).toBe(true);
  });

  it('says nothing while a third has no value', () => {
    expect(seriesOf([]).trend()).toBeUndefined();
    expect(seriesOf([1]).trend()).toBeUndefined();
    expect(seriesOf([1, 2]).trend()).toBeUndefined();
  });

  it('stands in a table of its own below the figures', () => {
    const part = { name: 'n1', flat: false, figures: { peak: 12.345 } };
    const machine = { cpu: 'c', cores: 2, node: 'v24' };
    const table = tableOf({ bench: 'memory', machine, repeat: 1, figures: {}, peers: [], parts: [part], notes: [] });
    expect(table.split('\n').slice(-2)).toEqual(['MB   peak  flat', 'n1  12.35    no']);
  });
});

describe('laps', () => {
  const RECORDS = 2_000;

  it('have repeats near what they repeat, and so one group for equal records and counts for any number of laps', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mizu-test-'));
    try {
      const laps = await Laps.open(RECORDS, folder);
      const { malformed, filtered } = laps.counts(RECORDS);
      expect(malformed).toBeGreaterThan(0);
      expect(filtered).toBeGreaterThan(RECORDS / 10);
      const [once, twice] = [laps.counts(700), laps.counts(2 * RECORDS + 700)];
      expect(twice).toEqual({ malformed: 2 * malformed + once.malformed, filtered: 2 * filtered + once.filtered });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('repeat what a plain search finds among the records before', () => {
    const generator = new W1Generator(W1_SEED, REPEAT_REACH);
    const contents = Array.from({ length: RECORDS }, (_, i) => generator.line(i).replace(/^\{"id":\d+,/, ''));
    const distances = contents.flatMap((content, i) => {
      const before = contents.slice(0, i).lastIndexOf(content);
      return before < 0 ? [] : [i - before];
    });
    expect(distances.length).toBeGreaterThan(RECORDS / 10);
    expect(Math.max(...distances)).toBeLessThanOrEqual(REPEAT_REACH);
  });
});

describe.runIf(process.platform === 'linux')('the memory of a process', () => {
  it('is what it holds, and nothing of one that is not there', () => {
    expect(memoryOf(process.pid)).toBeGreaterThan(1_000_000);
    expect(memoryOf(2 ** 30)).toBe(0);
  });
});
