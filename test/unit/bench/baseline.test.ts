import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { baselineFile, baselineKey, differenceLines, figuresOf, readBaseline, saveBaseline } from '../../bench/harness/baseline.ts';

const machine = { cpu: 'c', cores: 2, node: 'v24.1.0' };
const folder = mkdtempSync(join(tmpdir(), 'mizu-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a baseline', () => {
  it('is of one machine, one major version of Node, one benchmark and its parameters', () => {
    const key = baselineKey({ bench: 'b', machine }, { records: 5, workers: 2 });
    expect(baselineKey({ bench: 'b', machine: { ...machine, node: 'v24.9.3' } }, { records: 5, workers: 2 })).toBe(key);
    const others = [
      baselineKey({ bench: 'other', machine }, { records: 5, workers: 2 }),
      baselineKey({ bench: 'b', machine: { ...machine, node: 'v22.1.0' } }, { records: 5, workers: 2 }),
      baselineKey({ bench: 'b', machine: { ...machine, cpu: 'd' } }, { records: 5, workers: 2 }),
      baselineKey({ bench: 'b', machine: { ...machine, cores: 4 } }, { records: 5, workers: 2 }),
      baselineKey({ bench: 'b', machine }, { records: 6, workers: 2 }),
      baselineKey({ bench: 'b', machine }, { records: 5, workers: 1 }),
      baselineKey({ bench: 'b', machine }, { workers: 2 }),
    ];
    expect(new Set([key, ...others]).size).toBe(others.length + 1);
    expect(new Set([key, ...others].map((one) => baselineFile('b', one))).size).toBe(others.length + 1);
  });

  it('holds every figure of every side, and every ratio', () => {
    const peer = { name: 'p', recordsPerSecond: 5, figures: { seconds: 4 }, ratio: { recordsPerSecond: 2, seconds: 0.5 } };
    const part = { name: 'n1', flat: true, figures: { peak: 7 } };
    const result = {
      bench: 'b',
      machine,
      repeat: 1,
      recordsPerSecond: 10,
      figures: { seconds: 2, none: undefined },
      peers: [peer],
      notes: [],
    };
    expect(figuresOf({ ...result, parts: [part] })).toEqual({
      'mizu: records/s': 10,
      'mizu: seconds': 2,
      'p: records/s': 5,
      'p: seconds': 4,
      'ratio to p: records/s': 2,
      'ratio to p: seconds': 0.5,
      'n1: peak': 7,
    });
  });

  it('shows how much each figure changed, and none where there is nothing to compare', () => {
    expect(differenceLines({ a: 100, gone: 1, zero: 0 }, { a: 90, zero: 1, fresh: 3 }).map((line) => line.replace(/ +/g, ' '))).toEqual([
      ' baseline now change',
      'a 100 90 −10.0 %',
      'gone 1 – –',
      'zero 0 1 –',
      'fresh – 3 –',
    ]);
  });

  it('comes back as it was kept, and is refused where it is of something else', () => {
    const file = join(folder, 'deep', 'b.json');
    expect(readBaseline(file, 'k')).toBeUndefined();
    const kept = { key: 'k', savedAt: '2026-11-30T00:00:00.000Z', figures: { a: 1.5 } };
    saveBaseline(file, kept);
    expect(readBaseline(file, 'k')).toEqual(kept);
    expect(() => readBaseline(file, 'other')).toThrow(/no baseline of other, but of k/);
    writeFileSync(file, '{');
    expect(() => readBaseline(file, 'k')).toThrow(SyntaxError);
  });
});
