import type { DigestHex, FieldType, Operator, SourceInfo, SourceSpec } from '#engine';
import { digestHex } from '#engine';
import { operators } from '#operators';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCsvRecord } from '../../../operators/generate/csv.ts';
import { recordParser } from '../../../operators/generate/parse-record.ts';
import { planOver } from './plan-context.ts';

const digest: DigestHex = digestHex('0'.repeat(64));
const read: Operator | undefined = operators.find((operator) => operator.name === 'read');
const source = (format: SourceSpec['format'], lines: readonly string[], columns?: readonly string[]): SourceInfo => ({
  format,
  records: lines.length,
  digest,
  sample: lines.map((line) => Buffer.from(line)),
  ...(columns === undefined ? {} : { columns }),
});
const plan = (params: object, info: SourceInfo) => {
  if (read === undefined) throw new RangeError('no read');
  return planOver(read, { path: 'x', ...params }, [], { source: info });
};
const parse = (fields: Readonly<Record<string, FieldType>>, line: string, format: 'jsonl' | 'csv' = 'jsonl') =>
  recordParser({
    format,
    encoding: 'utf-8',
    delimiter: ',',
    fields: Object.entries(fields).map(([name, type]) => ({ name, from: name, type })),
    extra: 'fail',
    columns: Object.keys(fields),
  })(Buffer.from(line));

describe('types inferred from the first records', () => {
  it('JSON: whole numbers, decimals, nulls and missing fields, lists, records', () => {
    const planned = plan(
      {},
      source('jsonl', ['{"a":1,"b":1,"c":null,"e":[1],"f":{"x":"y"}}', '{"a":2,"b":0.5,"c":"s","d":true,"e":[],"f":{"x":"z","w":1}}']),
    );
    expect(planned.problems).toEqual([]);
    expect(planned.plans[0]?.writes).toEqual([
      { name: 'a', type: 'long' },
      { name: 'b', type: 'double' },
      { name: 'c', type: { optional: 'string' } },
      { name: 'e', type: { array: 'long' } },
      {
        name: 'f',
        type: {
          record: [
            { name: 'x', type: 'string' },
            { name: 'w', type: { optional: 'long' } },
          ],
        },
      },
      { name: 'd', type: { optional: 'boolean' } },
    ]);
    expect(planned.plans[0]?.reads).toEqual(['$source']);
  });

  it('CSV: columns of the header; an empty cell is null unless the column is text', () => {
    const planned = plan({}, source('csv', ['1,0.5,true,x,', '2,,false,,', '3,1,true,01,'], ['n', 'x', 'ok', 's', 'empty']));
    expect(planned.plans[0]?.writes).toEqual([
      { name: 'n', type: 'long' },
      { name: 'x', type: { optional: 'double' } },
      { name: 'ok', type: 'boolean' },
      { name: 's', type: 'string' },
      { name: 'empty', type: 'string' },
    ]);
  });

  it('a program holds the types and no path', () => {
    const params = JSON.stringify(plan({}, source('jsonl', ['{"a":1}'])).plans[0]?.params);
    expect(params).toContain('"long"');
    expect(params).not.toContain('path');
  });

  it.each<[string, object, SourceInfo, RegExp]>([
    ['mixed types', {}, source('jsonl', ['{"a":1}', '{"a":"x"}']), /Field 'a' .* the sample has long and string in it/],
    ['only nulls', {}, source('jsonl', ['{"a":null}']), /nothing but null/],
    ['odd names', {}, source('jsonl', ['{"a b":1}']), /Field 'a b' .* its name is no field name/],
    ['odd columns', {}, source('csv', ['1'], ['a b']), /Column 'a b' has no field name/],
    ['nothing readable', {}, source('jsonl', ['[1]', '{']), /No record of the source could be read/],
    ['a mistyped column', { fields: { label: { from: 'lable', type: 'string' } } }, source('csv', ['x'], ['label']), /no column 'lable'/],
    ['lists in CSV', { fields: { a: { array: 'string' } } }, source('csv', ['x'], ['a']), /A CSV cell is no list/],
    ['fields of texts', { fields: { a: 'string' } }, source('text', []), /Text files have the fields path and text/],
    ['no fields', { fields: {} }, source('jsonl', ['{}']), /The list of fields is empty/],
  ])('refuses %s', (_, params, info, problem) => {
    const planned = plan(params, info);
    expect(planned.plans).toEqual([]);
    expect(planned.problems.join('; ')).toMatch(problem);
  });
});

describe('a record that does not fit fails, with its place', () => {
  it.each<[Readonly<Record<string, FieldType>>, string, string, RegExp]>([
    [{ n: 'long' }, '{"n":1.5}', 'MISFIT', /'n' is 1\.5, expected long/],
    [{ n: 'long' }, '{"n":4503599627370497}', 'MISFIT', /±2\^52/],
    [{ n: 'long' }, '{"n":9007199254740993}', 'MALFORMED_JSON', /2\^53/],
    [{ n: 'double' }, '{"n":1e999}', 'MALFORMED_JSON', /./],
    [{ n: 'double' }, '{"n":NaN}', 'MALFORMED_JSON', /line 1, column 6/],
    [{ n: 'long' }, '{"n":1,"n":2}', 'MALFORMED_JSON', /./],
    [{ s: 'string' }, '{"s":"\\ud800"}', 'MALFORMED_JSON', /surrogate/],
    [{ s: 'string' }, '{}', 'MISFIT', /'s' is missing/],
    [{ s: 'string' }, '{"s":"x","t":1}', 'MISFIT', /'t' is a field that the first records did not have/],
    [{ r: { record: [{ name: 'x', type: { array: 'long' } }] } }, '{"r":{"x":[1,"2"]}}', 'MISFIT', /'r\.x\[1\]' is "2", expected long/],
    [{ r: { record: [{ name: 'x', type: 'long' }] } }, '{"r":{"x":1,"y":2}}', 'MISFIT', /'r' has a field 'y'/],
    [{ b: 'bytes' }, '{"b":"****"}', 'MISFIT', /base64/],
  ])('%j from %s', (fields, line, code, message) => {
    const failed = parse(fields, line);
    expect(failed).toMatchObject({ code });
    expect('message' in failed ? failed.message : '').toMatch(message);
  });

  it.each([
    ['1,2', 'MISFIT', /2 cells, the table 1 columns/],
    ['1.5', 'MISFIT', /expected long/],
    ['4503599627370497', 'MISFIT', /expected long/],
    ['"1', 'MALFORMED_CSV', /never closed/],
    ['1"2', 'MALFORMED_CSV', /quote inside an unquoted field at character 2/],
    ['"1"2', 'MALFORMED_CSV', /follows the closing quote/],
  ])('CSV %s', (line, code, message) => {
    const failed = parse({ n: 'long' }, line, 'csv');
    expect(failed).toMatchObject({ code });
    expect('message' in failed ? failed.message : '').toMatch(message);
  });

  it('a whole number that a double can not hold is refused, not rounded', () => {
    expect(parse({ x: 'double' }, '9007199254740993', 'csv')).toMatchObject({ code: 'MISFIT' });
    expect(parse({ x: 'double' }, '-12.5e3', 'csv')).toMatchObject({ row: { x: -12_500 } });
  });
});

it('what is written as CSV is read back, for any cells', () => {
  const cell = fc.array(fc.constantFrom('"', ',', '\n', '\r', ' ', 'a', '😀', ';'), { maxLength: 6 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1, maxLength: 6 }), fc.constantFrom(',', ';', '\t'), (cells, delimiter) => {
      const line = cells.map((text) => (/["\n\r,;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(delimiter);
      expect(parseCsvRecord(line, delimiter)).toEqual({ cells });
    }),
  );
});

it('what is written as JSON is read back, for any values of the types', () => {
  const record = fc.record({
    s: fc.string({ unit: 'binary' }).filter((s) => s.isWellFormed()),
    n: fc.integer(),
    x: fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }).map((x) => x + 0),
    l: fc.array(fc.boolean()),
  });
  fc.assert(
    fc.property(record, (value) => {
      const got = parse({ s: 'string', n: 'long', x: 'double', l: { array: 'boolean' } }, JSON.stringify(value));
      expect(got).toEqual({ row: JSON.parse(JSON.stringify(value)) });
    }),
  );
});
