/** Lists and maps: one type, one digest, whatever file they come from (law 1); a wrong file says where and why (law 10). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MizuError } from '../../../engine/contract/errors.ts';
import type { Value } from '../../../engine/contract/types.ts';
import { canonicalBytes } from '../../../engine/proof/jcs.ts';
import { sha256, toHex } from '../../../engine/proof/sha256.ts';
import { decodeDataSet, encodeDataSet } from '../../../engine/workflow/data-set.ts';
import { conform, fitsType, inferType } from '../../../engine/workflow/infer-type.ts';
import { loadDataSet } from '../../../engine/workflow/load-data-set.ts';
import type { DataSource } from '../../../engine/workflow/workflow-schema.ts';

const read = (files: Readonly<Record<string, string | Uint8Array>>) => async (path: string) => {
  const content = files[path];
  if (content === undefined) throw new MizuError('NOT_FOUND', `There is no file '${path}'`);
  return typeof content === 'string' ? new TextEncoder().encode(content) : content;
};
const load = (source: DataSource, files: Readonly<Record<string, string | Uint8Array>> = {}) =>
  loadDataSet(source, 'data.x', () => ({ file: 'w.yaml', line: 1 }), read(files));
const list = (from: string | readonly (string | number)[]): DataSource => ({ kind: 'list', from });

describe('inferred types', () => {
  it.each<[Value[], unknown]>([
    [['a', ''], 'string'],
    [[1, -0, 2 ** 52], 'long'],
    [[1, 2 ** 52 + 2], 'double'],
    [[1, 0.5], 'double'],
    [[true], 'boolean'],
    [[null, 'a'], { optional: 'string' }],
    [[[1], []], { array: 'long' }],
    [
      [{ b: 1, a: 'x' }, { a: 'y' }],
      {
        record: [
          { name: 'a', type: 'string' },
          { name: 'b', type: { optional: 'long' } },
        ],
      },
    ],
    [[{ 'not a name': 1 }], { map: 'long' }],
  ])('%j are %j', (values, type) => {
    expect(inferType(values)).toEqual({ type });
  });

  it('say which element is of another kind', () => {
    expect(inferType(['a', 'b', 3])).toEqual({ conflict: 'text and number', index: 2 });
    expect(inferType([{ a: 1 }, { a: [] }])).toEqual({ conflict: "number and list under 'a'", index: 1 });
    expect(inferType([[1], [1, 'x']])).toEqual({ conflict: 'number and text', index: 1 });
  });

  it('fit what they were inferred from', () => {
    const value: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.string(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom('a', 'b', 'c d'), tie('value')),
      ),
    })).value;
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), (values) => {
        const inferred = inferType(values);
        if ('conflict' in inferred) return;
        expect(values.every((v) => fitsType(inferred.type, conform(inferred.type, v)))).toBe(true);
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});

describe('a data set', () => {
  it('has one digest however it is written', async () => {
    const files = { 'a.txt': '\uFEFFx\r\n\r\n  \ny', 'a.yaml': '- x   # first\n- "y"\n', 'a.json': '["x","y"]' };
    const digests = await Promise.all(
      [list(['x', 'y']), list('a.txt'), list('a.yaml'), list('a.json')].map(async (source) => (await load(source, files)).data?.digest),
    );
    expect(new Set(digests).size).toBe(1);
    expect(digests[0]).toMatch(/^[0-9a-f]{64}$/);
  });

  it('keeps maps in order of UTF-8 key bytes, and records in order of field name', async () => {
    const a = await load({ kind: 'map', from: { '\u{1F600}': { q: 1, p: 2 }, '\uFF61': { p: 3, q: 4 } } });
    const b = await load({ kind: 'map', from: 'm.yaml' }, { 'm.yaml': '"\uFF61": { q: 4, p: 3 }\n"\u{1F600}": { p: 2, q: 1 }\n' });
    expect(a.data?.keys).toEqual(['\uFF61', '\u{1F600}']);
    expect(b.data).toEqual(a.data);
  });

  it('reads CSV as records of text', async () => {
    const { data } = await load(list('a.csv'), { 'a.csv': 'n,t\n1,"a,b"\n2,c\n' });
    expect(data?.values).toEqual([
      { n: '1', t: 'a,b' },
      { n: '2', t: 'c' },
    ]);
  });

  it('survives the log: its bytes are canonical and named by its digest', async () => {
    for (const source of [list(['x', 'y']), list('a.yaml'), { kind: 'map', from: { a: 1, b: 2.5 } } as const]) {
      const { data } = await load(source, { 'a.yaml': '- { a: 1 }\n- { a: null, b: [x] }\n' });
      if (data === undefined) throw new Error('not loaded');
      const bytes = encodeDataSet(data);
      expect(toHex(sha256(bytes))).toBe(data.digest);
      expect(decodeDataSet(bytes)).toEqual(data);
    }
  });

  it.each([
    ['nonsense', 'nonsense'],
    ['another kind', '{"kind":"set","type":"string","values":["a"]}'],
    ['a value that does not fit', '{"kind":"list","type":"long","values":["a"]}'],
    ['not canonical', '{"type":"string","kind":"list","values":["a"]}'],
    ['keys of a list', '{"keys":["a"],"kind":"list","type":"string","values":["a"]}'],
    ['too few keys', '{"keys":[],"kind":"map","type":"string","values":["a"]}'],
    ['a repeated key', '{"keys":["a","a"],"kind":"map","type":"string","values":["a","b"]}'],
    ['an unknown type', '{"kind":"list","type":"text","values":["a"]}'],
  ])('%s is refused', (_, text) => {
    expect(() => decodeDataSet(new TextEncoder().encode(text))).toThrow(expect.objectContaining({ code: 'BYTES_INVALID' }));
  });

  it('of bytes that its canonical form does not have is refused, even with the same meaning', () => {
    const bytes = canonicalBytes({ kind: 'list', type: 'string', values: ['a'] });
    expect(decodeDataSet(bytes).values).toEqual(['a']);
    expect(() => decodeDataSet(new TextEncoder().encode(` ${new TextDecoder().decode(bytes)}`))).toThrow(MizuError);
  });
});
