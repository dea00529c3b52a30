import type { Schema } from '#engine';
import { operators } from '#operators';
import { describe, expect, it } from 'vitest';
import { PATTERN_SIZE_LIMIT } from '../../../operators/pattern.ts';
import { planOver } from './plan-context.ts';
import { runRows, runTexts } from './run-rows.ts';

const schema: Schema = [
  { name: 'text', type: 'string' },
  { name: 'maybe', type: { optional: 'string' } },
  { name: 'n', type: 'long' },
  { name: 'x', type: 'double' },
  { name: 'list', type: { array: 'string' } },
  { name: 'r', type: { record: [{ name: 'inner', type: 'string' }] } },
];

describe('wrong parameters are found before the run', () => {
  it.each<[string, object, RegExp]>([
    ['length', { field: 'n', words: [1, 2] }, /field: Field 'n' is long/],
    ['length', { field: 'text', words: [2, 1] }, /words: the range is \[lowest, highest\]/],
    ['length', { field: 'text' }, /at least one of bytes/],
    ['length', { field: 'text', items: [1, 2] }, /has no items/],
    ['length', { field: 'list', items: [1, 2], words: [1, 2] }, /`items` measures lists/],
    ['length', { field: 'txt', words: [1, 2] }, /no field 'txt'/],
    ['range', { field: 'text', min: 1 }, /Field 'text' is string/],
    ['range', { field: 'n' }, /give `min`, `max` or both/],
    ['range', { field: 'n', min: 2, max: 1 }, /no number lies between/],
    ['range', { field: 'n', min: 2, max: 2, exclusive: true }, /no number lies between/],
    ['oneOf', { field: 'text', values: [] }, /values/],
    ['oneOf', { field: 'text', values: ['a', 1] }, /values\[1\]: 1 can never equal a field that is string/],
    ['oneOf', { field: 'list', values: ['a'] }, /is list of string/],
    ['oneOf', { field: 'text', from: 'nosuch' }, /no data 'nosuch'/],
    ['oneOf', { field: 'text' }, /either `values` or `from`/],
    ['pattern', { field: 'text', match: '(a' }, /match: Not a pattern/],
    ['pattern', { field: 'text', match: '(?=a)' }, /match: Not a pattern/],
    ['pattern', { field: 'text', absent: '(a)\\1' }, /absent: Not a pattern/],
    ['pattern', { field: 'text', match: '(?i)é' }, /ASCII patterns only/],
    ['pattern', { field: 'text', match: `(?:${'\\pL'.repeat(10)}){900}` }, /instructions|repeat/],
    ['pattern', { field: 'text', match: 'a', absent: 'b' }, /either `match` or `absent`/],
    ['schema', { fields: {} }, /at least one field/],
    ['schema', { fields: { n: { minLength: 1 } } }, /'minLength' says nothing about a field that is long/],
    ['schema', { fields: { text: { type: 'long' } } }, /fields\.text\.type: Field 'text' is string/],
    ['schema', { fields: { text: { pattern: '[' } } }, /fields\.text\.pattern/],
    ['whitespace', { field: 'n' }, /Field 'n' is long/],
    ['whitespace', { field: 'maybe' }, /can't be corrected in place/],
    ['whitespace', { field: 'r.inner' }, /can't be corrected in place/],
    ['whitespace', { field: 'text', trim: false, collapse: false }, /would do nothing/],
    ['clip', { field: 'n', max: 1.5 }, /1\.5 is no whole number/],
    ['clip', { field: 'n', codepoints: 3 }, /Field 'n' is long/],
    ['clip', { field: 'text', max: 1 }, /Field 'text' is string/],
    ['clip', { field: 'text' }, /give `min` or `max`/],
    ['replace', { field: 'text', pattern: '(a)', with: '$2' }, /'\$2' names nothing in the pattern/],
    ['replace', { field: 'text', pattern: 'a', with: '$`' }, /names nothing/],
    ['replace', { field: 'text', pattern: 'a', with: 'cost $5' }, /names nothing/],
    ['replace', { field: 'text', with: 'x' }, /either `literal` or `pattern`/],
    ['mask', { field: 'text', email: 'me@example.com' }, /is itself what the step masks/],
    ['mask', { field: 'text', email: false, ip: false, phone: false }, /would do nothing/],
    ['simulate', { engine: 'free-fal' }, /There is no data engine 'free-fal'/],
    ['simulate', { engine: 'free-fall', with: { height: 'text' } }, /taken from 'text', which is string/],
    ['simulate', { engine: 'free-fall', with: { height: true } }, /can't be true/],
    ['simulate', { engine: 'free-fall', with: { hight: 'n', height: 'n' } }, /has no input 'hight'/],
    ['simulate', { engine: 'free-fall', with: { height: 'n' }, params: { gravity: -1 } }, /params\.gravity/],
    ['simulate', { engine: 'free-fall' }, /no field 'height'/],
    ['dedup', { by: ['text', 'text'] }, /named twice/],
    ['dedup', { by: ['r.inner'] }, /lies inside a record/],
    ['count', { by: 'x' }, /Field 'x' is double/],
    ['summary', { field: 'text' }, /Field 'text' is string/],
    ['sample', { size: 0 }, /size/],
  ])('%s %j', (name, params, problem) => {
    const operator = operators.find((known) => known.name === name);
    const planned = operator === undefined ? undefined : planOver(operator, params, schema);
    expect(planned?.plans).toEqual([]);
    expect(planned?.problems.join('; ')).toMatch(problem);
  });

  it('a mistyped engine brings the nearest name', () => {
    const operator = operators.find((known) => known.name === 'simulate');
    expect(operator && planOver(operator, { engine: 'free-fal' }, schema).hints[0]).toContain('free-fall');
  });
});

describe('patterns', () => {
  it('take a time that does not explode where backtracking would', async () => {
    const [kept] = await runRows('pattern', { field: 'text', match: '^(a+)+$' }, [{ text: `${'a'.repeat(20_000)}b` }]);
    expect(kept).toEqual({ rejected: { limit: '^(a+)+$' } });
    expect(PATTERN_SIZE_LIMIT).toBeGreaterThan(100);
  });

  it('an optional field is read by value, and null is rejected', async () => {
    const outcomes = await runRows('pattern', { field: 'r.s', match: '^.😀$' }, [{ r: { s: 'é😀' } }, { r: { s: null } }]);
    expect(outcomes).toEqual([{ row: { r: { s: 'é😀' } } }, { rejected: { measured: 'null', limit: '^.😀$' } }]);
  });

  it('a replacement that would be too long fails its record alone', async () => {
    const [long, short] = await runTexts('replace', { literal: 'a', with: 'b'.repeat(10_000) }, ['a'.repeat(2000), 'a']);
    expect(long).toBe('{"failed":"TEXT_TOO_LONG"}');
    expect(short).toBe('b'.repeat(10_000));
  });
});
