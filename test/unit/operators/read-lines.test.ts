import type { GoldenCase, Operator, Registry, Row, Schema } from '#engine';
import { runGoldenCase } from '#engine';
import { engines, operators } from '#operators';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { recordParser } from '../../../operators/generate/parse-record.ts';

const registry: Registry = { operators, engines };
const read = operators.find(({ name }) => name === 'read') as Operator;
const fields = { id: 'long', text: 'string', score: 'double', ok: 'boolean' } as const;
const rawSource: Schema = [{ name: '$source', type: 'bytes' }];
const strict = recordParser({
  format: 'jsonl',
  encoding: 'utf-8',
  delimiter: ',',
  fields: Object.entries(fields).map(([name, type]) => ({ name, from: name, type })),
  extra: 'ignore',
});

/** What the step makes of lines in one block, and what the strict parser makes of each by itself. */
async function both(lines: readonly Uint8Array[]): Promise<readonly [unknown, unknown]> {
  const golden: GoldenCase = {
    title: 'lines',
    params: { path: 'a.jsonl', format: 'jsonl', fields },
    schema: rawSource,
    input: lines.map((line) => ({ $source: line })),
    output: [],
  };
  const expected = lines.map((line) => {
    const parsed = strict(line);
    return 'code' in parsed ? { failed: parsed.code } : { row: withoutMinusZero(parsed.row) };
  });
  return [await runGoldenCase(registry, read, golden), expected];
}

/** A column holds −0 as 0. */
const withoutMinusZero = (row: Row): Row => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === 0 ? 0 : value]));

const gap = fc.constantFrom('', '', '', ' ', '\t', '\r\n ');
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 80 }).map((value) => JSON.stringify(value)),
  fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }), { maxLength: 12 }).map((parts) => JSON.stringify(parts.join('\n'))),
  fc.constantFrom('"\\u0041"', '"a\\/b"', '"\\ud83d"', '"tab\tin it"', '"\\x"', '"open', '""', '"é😀"', 'null', '7'),
);
const number = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.tuple(fc.nat(), fc.nat({ max: 999_999 })).map(([whole, part]) => `${whole}.${String(part).padStart(6, '0')}`),
  fc.bigInt({ min: -(10n ** 19n), max: 10n ** 19n }).map(String),
  fc.constantFrom(
    '0',
    '-0',
    '0.1',
    '-0.0',
    '01',
    '1.',
    '.5',
    '+1',
    '1e3',
    '1E-400',
    '4503599627370497',
    '123456789012345.6',
    '0.30000000000000004',
    '"1"',
    'null',
  ),
);
const flag = fc.constantFrom('true', 'false', 'tru', 'truee', 'null', '1');
const key = (name: string) => fc.constantFrom(`"${name}"`, `"${name}"`, `"${name}"`, `"${name}"`, `"${name}x"`, `"\\u0069d"`, name);
const member = (name: string, value: fc.Arbitrary<string>) =>
  fc.tuple(gap, key(name), gap, gap, value, gap).map(([a, k, b, c, v, d]) => `${a}${k}${b}:${c}${v}${d}`);
const members = fc
  .tuple(member('id', number), member('text', text), member('score', number), member('ok', flag))
  .chain((all) =>
    fc.oneof({ weight: 3, arbitrary: fc.constant(all) }, { weight: 1, arbitrary: fc.shuffledSubarray([...all, all[0], '"more":[{}]']) }),
  );
const line = fc
  .tuple(gap, members, gap, fc.constantFrom('', '', '', '', '}', 'x', '\u0000'))
  .map(([a, all, b, end]) => `${a}{${all.join(',')}}${b}${end}`);
/** Also cut short, and with a byte changed, so that UTF-8 breaks. */
const bytes = fc.tuple(line, fc.nat(), fc.nat(), fc.constantFrom('whole', 'whole', 'cut', 'changed')).map(([whole, at, value, how]) => {
  const data = Buffer.from(whole, 'utf8');
  if (how === 'cut') return data.subarray(0, at % (data.length + 1));
  if (how === 'changed') data[at % data.length] = value & 0xff;
  return data;
});

it('JSON lines: reading into columns gives the values and verdicts of the strict parser, whatever stands in the line', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 30 }), async (lines) => {
      const [made, expected] = await both(lines);
      expect(made).toEqual(expected);
    }),
    { numRuns: 400 },
  );
});

it('JSON lines: decimals are the nearest doubles, as Number reads them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat({ max: 999_999_999 }), fc.nat({ max: 999_999 })), { minLength: 1, maxLength: 50 }),
      async (pairs) => {
        const scores = pairs.map(([whole, part]) => `${whole}.${part}`);
        const lines = scores.map((score, id) => Buffer.from(`{"id":${id},"text":"","score":${score},"ok":true}`));
        const [made] = await both(lines);
        expect(made).toEqual(scores.map((score, id) => ({ row: { id, text: '', score: Number(score), ok: true } })));
      },
    ),
  );
});

it('JSON lines: what is not UTF-8 is found at every place of a text, and what is UTF-8 is taken', async () => {
  // RFC 3629 section 4: a lone tail, a tail too few, forms that are too long, a surrogate, beyond U+10FFFF; then the ends of what is allowed.
  const sequences = ['80', 'c3', 'e282', 'f09f98', 'c080', 'c1bf', 'e09fbf', 'f08fbfbf', 'eda080', 'f4908080', 'f5808080', 'ff'];
  const allowed = ['c280', 'dfbf', 'e0a080', 'ed9fbf', 'ee8080', 'efbfbf', 'f0908080', 'f48fbfbf', '7f'];
  for (const sequence of [...sequences, ...allowed]) {
    const lines = Array.from({ length: 70 }, (_, at) =>
      Buffer.concat([
        Buffer.from(`{"id":1,"text":"${'x'.repeat(at)}`),
        Buffer.from(sequence, 'hex'),
        Buffer.from(`${'y'.repeat(69 - at)}","score":1,"ok":true}`),
      ]),
    );
    const [made, expected] = await both(lines);
    expect(made, sequence).toEqual(expected);
    expect(JSON.stringify(made).includes('failed'), sequence).toBe(sequences.includes(sequence));
  }
});
