/**
 * Scripts are confined (law 11) and functions of the record alone (law 1): every limit ends as a failed record, at the same step each time, and leaves
 * nothing behind for the next record.
 */
import { describe, expect, it } from 'vitest';
import { type Row, runGoldenCase, type Schema } from '#engine';
import { engines, operators } from '#operators';
import { type Outcome, readOutcome } from '../../../../operators/sandbox/script-outcome.ts';
import { SCRIPT_RECORD_BYTES, SCRIPT_STEP_LIMIT, ScriptSandbox, type ScriptRun } from '../../../../operators/sandbox/script-sandbox.ts';
import { bytesIn, toScript } from '../../../../operators/sandbox/script-values.ts';
import { planOver } from '../plan-context.ts';
import { runRows } from '../run-rows.ts';
import { HOSTILE_SCRIPTS } from './hostile-scripts.ts';

const READS: Schema = [
  { name: 'n', type: 'double' },
  { name: 'text', type: 'string' },
];
const WRITES: Schema = [...READS, { name: 'any', type: { optional: { array: 'double' } } }];
const RECORD: Row = { n: 1, text: 'a😀' };

/** The outcome in short: the code and, where the script itself is to blame, the message. */
function shown(outcome: Outcome): Outcome | string {
  if (outcome.kind !== 'failed') return outcome;
  return ['SCRIPT_ERROR', 'SCRIPT_RESULT'].includes(outcome.code) ? `${outcome.code} ${outcome.message}` : outcome.code;
}

const outcomeOf = (run: ScriptRun, code: string): Outcome => readOutcome(run, { code, reads: READS, writes: WRITES, fields: RECORD });

describe('a hostile script', () => {
  const tame = 'record => ({ n: record.text.length + record.n })';
  const alone = new ScriptSandbox(tame, 'null').ask(toScript(RECORD));

  it.each(HOSTILE_SCRIPTS)('$title: ends as it must, twice at the same step, and leaves nothing behind', ({ code, outcome }) => {
    // One function for both: the tame one is asked where `n` is 1, in the same engine.
    const both = `const hostile = (${code});\nconst tame = (${tame});\nexport default (record, drop) => record.tame ? tame(record) : hostile(record, drop);`;
    const sandbox = new ScriptSandbox(both, 'null');
    const quiet = toScript({ ...RECORD, tame: true });
    const before = sandbox.ask(quiet);
    const first = sandbox.ask(toScript(RECORD));
    expect(sandbox.ask(quiet)).toEqual(before);
    expect(sandbox.ask(toScript(RECORD))).toEqual(first);
    expect(outcomeOf(before, both)).toEqual(outcomeOf(alone, tame));
    const seen = shown(outcomeOf(first, both));
    if (typeof outcome !== 'string' || typeof seen !== 'string') expect(seen).toEqual(outcome);
    else expect(seen.startsWith(outcome), seen).toBe(true);
  });

  it('is one of enough', () => {
    expect(new Set(HOSTILE_SCRIPTS.map(({ title, code }) => title + code)).size).toBeGreaterThan(100);
  });
});

describe('what is counted', () => {
  it('is the same number on every machine: another build or prelude changes gas, and needs another version of the operator', () => {
    const sandbox = new ScriptSandbox('(record, drop) => record.text.split("").sort().join("") > "m" ? true : drop(1, 2)', 'null');
    expect(sandbox.ask(toScript(RECORD)).steps).toBe(1768);
    expect(sandbox.ask(toScript({ n: 2, text: 'the quick brown fox' })).steps).toBe(3083);
  });

  it('grows with the work, also inside built-in functions and patterns', () => {
    const steps = (code: string): number => new ScriptSandbox(code, 'null').ask('{}').steps;
    const base = steps('() => true');
    for (const [small, large] of [
      ["() => { 'a'.repeat(1e3).indexOf('b'); }", "() => { 'a'.repeat(1e6).indexOf('b'); }"],
      ['() => { new Uint8Array(1e3).fill(1); }', '() => { new Uint8Array(1e6).fill(1); }'],
      ["() => { /a*b/.test('a'.repeat(10)); }", "() => { /a*b/.test('a'.repeat(1000)); }"],
      ['() => { [..."a"].sort(); }', '() => { [..."a".repeat(1e4)].sort(); }'],
    ] as const) {
      expect(steps(small)).toBeGreaterThan(base);
      expect(steps(large) / steps(small)).toBeGreaterThan(10);
    }
  });

  it('is enough for a record of the largest size that is read and written as it is', () => {
    const text = 'é'.repeat((SCRIPT_RECORD_BYTES - 100) / 2);
    const run = new ScriptSandbox('({ text }) => ({ text })', 'null').ask(toScript({ text }));
    expect(run).toMatchObject({ words: expect.stringMatching(/^f\{"text":"sé/) });
    expect(run.steps).toBeGreaterThan(SCRIPT_STEP_LIMIT / 2);
  });

  it('refuses a record that is larger', () => {
    const sandbox = new ScriptSandbox('() => {}', 'null');
    expect(sandbox.ask(toScript({ text: 'x'.repeat(SCRIPT_RECORD_BYTES) }))).toEqual({ code: 'SCRIPT_INPUT', steps: 0 });
  });
});

describe('a record', () => {
  it('sees nothing of the one before: neither counters, caches, patterns with a place, nor changed built-ins', async () => {
    const code = `let n = 0; const seen = new Set(); const p = /a/g; const cache = {};
      export default (record) => {
        n += 1; seen.add(record.text); p.test('aa'); cache[record.text] = n; Array.prototype.left = n; globalThis.left = n;
        return { state: [n, seen.size, p.lastIndex, Object.keys(cache).length, [].left, left].join() };
      }`;
    const input = ['a', 'b', 'a', 'c'].map((text) => ({ text }));
    const outcomes = await runRows('script', { code, writes: { state: 'string' } }, input);
    expect(outcomes).toEqual(input.map(({ text }) => ({ row: { text, state: '1,1,1,1,1,1' } })));
  });

  it('has every type of field, in and out', async () => {
    const script = operators.find(({ name }) => name === 'script');
    if (script === undefined) throw new TypeError('no script');
    const row: Row = {
      s: '\u0000 "é" \ud83d\ude00',
      l: -4503599627370496,
      d: 5e-324,
      b: false,
      x: Uint8Array.of(0, 127, 255),
      list: [[1.5], []],
      map: { __proto__x: 'p', 2: 'two', 1: 'one' },
      rec: { inner: Uint8Array.of(7), maybe: null },
      none: null,
    };
    const schema: Schema = [
      { name: 's', type: 'string' },
      { name: 'l', type: 'long' },
      { name: 'd', type: 'double' },
      { name: 'b', type: 'boolean' },
      { name: 'x', type: 'bytes' },
      { name: 'list', type: { array: { array: 'double' } } },
      { name: 'map', type: { map: 'string' } },
      {
        name: 'rec',
        type: {
          record: [
            { name: 'inner', type: 'bytes' },
            { name: 'maybe', type: { optional: 'long' } },
          ],
        },
      },
      { name: 'none', type: { optional: { array: 'bytes' } } },
    ];
    const golden = {
      title: 'types',
      params: {
        code: `record => ({ ...record, ...Object.fromEntries(Object.entries(record).map(([name, value]) => [name + '2', value])),
          kinds: Object.values(record).map(value => value instanceof Uint8Array ? 'bytes' : typeof value).join() })`,
        writes: Object.fromEntries([...schema.map(({ name, type }) => [`${name}2`, type]), ['kinds', 'string']]),
      },
      schema,
      input: [row],
      output: [],
    };
    const [outcome] = await runGoldenCase({ operators, engines }, script, golden);
    const copies = Object.fromEntries(Object.entries(row).map(([name, value]) => [`${name}2`, value]));
    if (outcome === undefined || !('row' in outcome)) throw new TypeError(`the record failed: ${JSON.stringify(outcome)}`);
    const kinds = 'string,number,number,boolean,bytes,object,object,object,object';
    expect(JSON.parse(toScript(outcome.row))).toEqual(JSON.parse(toScript({ ...row, ...copies, kinds })));
    expect(bytesIn(schema)).toEqual({
      record: { x: 'bytes', rec: { record: { inner: 'bytes' } }, none: { optional: { array: 'bytes' } } },
    });
  });

  it('is told where in the script an error was thrown', () => {
    const code = 'export default record => {\n  const { missing } = record;\n  return missing.length;\n}';
    expect(shown(outcomeOf(new ScriptSandbox(code, 'null').ask(toScript(RECORD)), code))).toBe(
      "SCRIPT_ERROR TypeError: cannot read property 'length' of undefined (line 3, column 17 of the script)",
    );
    const short = 'record => record.missing.length';
    expect(shown(outcomeOf(new ScriptSandbox(short, 'null').ask(toScript(RECORD)), short))).toMatch(/\(line 1, column 25 of the script\)$/);
  });

  it('fails where a new field is not set, and is refused other changes', async () => {
    const ask = (code: string, writes: Record<string, 'long' | 'string?'>) => runRows('script', { code, writes }, [{ a: 1, b: 2 }]);
    expect(await ask('() => {}', { c: 'long' })).toEqual([{ failed: 'SCRIPT_RESULT' }]);
    expect(await ask('() => {}', { c: 'string?' })).toEqual([{ row: { a: 1, b: 2, c: null } }]);
    expect(await ask('r => ({ ...r, a: 2 })', { b: 'long' })).toEqual([{ failed: 'SCRIPT_RESULT' }]);
    expect(await ask('r => ({ ...r, b: 9 })', { b: 'long' })).toEqual([{ row: { a: 1, b: 9 } }]);
    expect(await ask('r => { r.b = 9 }', { b: 'long' })).toEqual([{ row: { a: 1, b: 2 } }]);
  });
});

describe('a script that can not be used', () => {
  const script = operators.find(({ name }) => name === 'script');
  if (script === undefined) throw new TypeError('no script');
  const plan = (params: object, files: Record<string, string> = {}) => planOver(script, params, READS, { files });

  it.each([
    ['() => {\n  const a = ;\n}', "code: the script, line 2, column 13: SyntaxError: unexpected token in expression: ';'"],
    ['record => record.n >', "code: the script, line 1, column 21: SyntaxError: unexpected token in expression: ''"],
    ['\n\nexport default (a) => {', "code: the script, line 3, column 24: SyntaxError: unexpected token in expression: ''"],
    ['() => /(/', "code: the script, line 1, column 7: SyntaxError: expecting ')'"],
    ['import fs from "node:fs";\nexport default () => fs', "code: the script: ReferenceError: could not load module 'node:fs'"],
    ['let n = missing;\nexport default () => n', "code: the script, line 1, column 9: ReferenceError: 'missing' is not defined"],
    [
      'export default await new Map()',
      'code: the script: The script gives no function: write `(record, drop) => …`, or `export default` one',
    ],
    ['export const a = 1', 'code: the script: The script gives no function: write `(record, drop) => …`, or `export default` one'],
    ['42', 'code: the script: The script gives no function: write `(record, drop) => …`, or `export default` one'],
    [
      'for (;;);\nexport default () => 1',
      'code: the script: Before any record: the script takes more than 20000000 steps and 50 for each byte of the record',
    ],
    [
      'const a = new Uint8Array(1e9);\nexport default () => 1',
      'code: the script: Before any record: the script needs more than 67108864 bytes of memory',
    ],
    [
      'export default (f => f(f))(f => f(f))',
      'code: the script: Before any record: calls are nested deeper than 1000 levels of the engine',
    ],
    ['throw null;\nexport default 1', 'code: the script: The script throws null before any record'],
  ])('%j is refused with its place', (code, problem) => {
    expect(plan({ code }).problems).toEqual([problem]);
  });

  it('is refused for its parameters', () => {
    expect(plan({}).problems).toEqual([': There is no script']);
    expect(plan({ code: '() => 1', file: 'a.js' }).problems).toEqual([': There are two scripts, `code` and `file`']);
    expect(plan({ file: 'b.js' }, { 'a.js': '' }).problems).toEqual([": no file 'b.js'"]);
    expect(plan({ code: '() => 1', reads: ['m'] }).problems).toEqual(["reads[0]: no field 'm'"]);
    expect(plan({ code: '() => 1', writes: { text: 'long' } }).problems).toEqual([
      "writes.text: There is a field 'text' already, and it is string, not long",
    ]);
    expect(plan({ code: '() => 1', writes: { 'a b': 'long' } }).problems).toHaveLength(1);
    expect(plan({ file: 'a.js' }, { 'a.js': 'x'.repeat(100_001) }).problems).toEqual(['file: The script has 100001 characters']);
  });

  it('names its file', () => {
    expect(plan({ file: 'scripts/a.js' }, { 'scripts/a.js': 'export default (' }).problems).toEqual([
      "file: scripts/a.js, line 1, column 17: SyntaxError: unexpected token in expression: ''",
    ]);
    expect(plan({ file: 'scripts/a.js' }, { 'scripts/a.js': 'export default r => r.n > 1' }).problems).toEqual([]);
  });
});
