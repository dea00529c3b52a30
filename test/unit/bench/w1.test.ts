import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cpuSecondsOf, TreeMeter } from '../../bench/harness/process-tree.ts';
import { median, ratioOf, summarise } from '../../bench/harness/result.ts';
import { FLOOR } from '../../bench/engines/embedded.ts';
import { LABELS_FILE } from '../../bench/w1/data.ts';
import { W1Generator } from '../../bench/w1/generator.ts';
import { firstMail, normalised, W1Check, type W1Output, W1Reference } from '../../bench/w1/reference.ts';

const LINES = 1000;
/** SHA-256 of the first 1,000 lines, LF after each, as an independent program makes them. */
const DIGEST = '492d68f527cc3a35298cef101ef4cba3cc86f6a1706a7c83c632a3d06ec244a9';
const generator = new W1Generator();
const lines = Array.from({ length: LINES }, (_, i) => generator.line(i));

describe('workload W1', () => {
  it('has the bytes that its recipe gives, and the table of labels that the workflow names', () => {
    expect(
      createHash('sha256')
        .update(`${lines.join('\n')}\n`)
        .digest('hex'),
    ).toBe(DIGEST);
    expect(JSON.parse(readFileSync(LABELS_FILE, 'utf8'))).toEqual(generator.labels());
  });

  it('is judged exact only when nothing is lost, extra, twice, wrong or missing among the dead letters', () => {
    const reference = new W1Reference(generator.labels());
    for (const line of lines) reference.add(line);
    const outputs = outputsOf(reference);
    const judge = (change: (all: W1Output[]) => void, deadLetters = reference.malformed) => {
      const all = [...outputs];
      change(all);
      const check = new W1Check(reference);
      for (const output of all) check.output(output);
      for (let n = 0; n < deadLetters; n++) check.deadLetter();
      return check.verdict();
    };
    const [first] = outputs;
    if (first === undefined) throw new RangeError('no outputs');
    expect(judge(() => {})).toEqual({
      ok: true,
      outputs: outputs.length,
      lost: 0,
      extra: 0,
      duplicates: 0,
      wrongFields: 0,
      deadLetters: 1,
    });
    expect(judge((all) => all.shift())).toMatchObject({ ok: false, lost: 1 });
    expect(judge((all) => all.push({ ...first, score: 0.111 }))).toMatchObject({ ok: false, extra: 1, lost: 0 });
    expect(judge((all) => all.push(first))).toMatchObject({ ok: false, duplicates: 1 });
    expect(judge((all) => all.splice(0, 1, { ...first, label: 'x' }))).toMatchObject({ ok: false, wrongFields: 1 });
    expect(judge((all) => all.splice(0, 1, { ...first, email: 'x' }))).toMatchObject({ ok: false, wrongFields: 1 });
    expect(judge(() => {}, 0)).toMatchObject({ ok: false, deadLetters: 0 });
  });
});

describe('the floor', () => {
  it('gives what the reference wants, and the malformed lines with their bytes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mizu-test-'));
    try {
      const [input, out] = [join(folder, 'in.jsonl'), join(folder, 'out.jsonl')];
      writeFileSync(input, `${lines.join('\n')}\n`);
      const said = execFileSync(process.execPath, [FLOOR, input, out], { encoding: 'utf8' });
      const reference = new W1Reference(generator.labels());
      for (const line of lines) reference.add(line);
      const check = new W1Check(reference);
      for (const line of linesOf(out)) check.output(JSON.parse(line));
      const dead = linesOf(`${out}.dead`);
      for (const line of dead) {
        expect(lines).toContain(line);
        check.deadLetter();
      }
      expect(check.verdict()).toMatchObject({ ok: true, deadLetters: 1 });
      expect(JSON.parse(said)).toMatchObject({ records: LINES, failed: dead.length });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function linesOf(file: string): string[] {
  return readFileSync(file, 'utf8').split('\n').slice(0, -1);
}

function outputsOf(reference: W1Reference): W1Output[] {
  const seen = new Set<string>();
  return lines.flatMap((line) => {
    let record: W1Output;
    try {
      record = JSON.parse(line) as W1Output;
    } catch {
      return [];
    }
    const text = normalised(record.text);
    const content = JSON.stringify([text, record.score, record.category]);
    if (record.score < 0.2 || seen.has(content)) return [];
    seen.add(content);
    return [{ ...record, text, email: firstMail(text), label: reference.labels[record.category] ?? '' }];
  });
}

describe('results', () => {
  it('are medians, and ratios of them', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    const side = (recordsPerSecond: number, seconds: number | undefined) => ({ name: 's', recordsPerSecond, figures: { seconds } });
    const own = summarise([side(10, 1), side(30, 3), side(20, undefined)]);
    expect(own).toMatchObject({ recordsPerSecond: 20, cpuSecondsPerMillion: undefined, figures: { seconds: 2 } });
    expect(ratioOf(own, summarise([side(5, 4)]))).toMatchObject({ recordsPerSecond: 4, cpuSecondsPerMillion: undefined, seconds: 0.5 });
  });
});

describe.runIf(process.platform === 'linux')('process trees', () => {
  it('count the time of a process, and nothing of one that is not there', () => {
    expect(cpuSecondsOf(process.pid)).toBeGreaterThan(0);
    expect(cpuSecondsOf(2 ** 30)).toBe(0);
    const meter = new TreeMeter([process.pid]);
    expect(meter.look()).toBeGreaterThanOrEqual(cpuSecondsOf(process.pid) / 2);
    expect(meter.peakBytes).toBeGreaterThan(1_000_000);
  });
});
