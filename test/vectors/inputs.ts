/** The inputs of the determinism vectors, in the order in which they are checked. Each family is one thing that engines, platforms and versions are known to differ in. */
import type { Json } from '#engine';
import { signerFromSeed, toHex } from '#engine';
import { ED25519_EDGES } from './ed25519-edges.ts';

interface VectorInput {
  readonly family: string;
  readonly name: string;
  readonly input: Json;
}

const vector = (family: string, name: string, input: Json): VectorInput => ({ family, name, input });

/** Zero, least and greatest, halves of a unit, powers of two and ten, where printing changes its form, and what is no number. */
const BITS = [
  '0000000000000000 8000000000000000 0000000000000001 8000000000000001 000fffffffffffff 0010000000000000 7fefffffffffffff ffefffffffffffff',
  '3ff0000000000000 3fb999999999999a 3fd3333333333334 3fd5555555555555 4340000000000000 4340000000000001 4330000000000001 433fffffffffffff',
  '444b1ae4d6e2ef4f 444b1ae4d6e2ef50 444b1ae4d6e2ef51 3eb0c6f7a0b5ed8d 3eb0c6f7a0b5ed8c 41b3de4355555553 41b3de4355555556 becbf647612f3696',
  '7ff0000000000000 fff0000000000000 7ff8000000000000 7ff0000000000001 fff8000000000000 7fffffffffffffff',
].flatMap((line) => line.split(' '));

const NUMBER_TEXTS = [
  '0 -0 1e0 1E+2 1e-7 123456789012345680000 9007199254740992 9007199254740993 -9007199254740993 0.1 0.30000000000000004 1.7976931348623157e308',
  '1.7976931348623159e308 4.9e-324 2.4703282292062327e-324 2.4703282292062328e-324 1e400 -1e400 2.2250738585072011e-308 9.5e-1',
  '1.00000000000000011102230246251565404236316680908203125 1.00000000000000011102230246251565404236316680908203124 0.000000000000000000000000000000000000000000000000001',
].flatMap((line) => line.split(' '));

const JSON_TEXTS = [
  '{"b":1,"a":2,"10":3,"9":4,"":5}',
  '{"\\u20ac":"Euro","\\r":"CR","\\ufb33":"Dalet","1":"One","\\ud83d\\ude00":"Smile","\\u0080":"Control","\\u00f6":"O"}',
  '["\\u0000\\u001f\\u007f\\u2028\\u2029\\/\\"\\\\", 1.0, 1e-7, -0, 5e-324, true, null]',
  '[1e21]',
  '{"a":1,"a":2}',
  '"\\ud800"',
  '[1,]',
  '9007199254740993',
  '"\u00e9e\\u0301"',
];

const RECORD: Json = [
  { name: 'text', type: 'string' },
  { name: 'number', type: 'double' },
  { name: 'whole', type: 'long' },
  { name: 'yes', type: 'boolean' },
  { name: 'list', type: { array: 'long' } },
  { name: 'map', type: { map: 'string' } },
  { name: 'maybe', type: { optional: 'string' } },
];
const DOUBLE: Json = [{ name: 'x', type: 'double' }];

/** Of letters that change their case in only some versions, marks, all white space, joined emoji, surrogate pairs, private use, and code points that were assigned late. */
const TEXTS = [
  'Straße İstanbul ıĞ ǅ ſ K ﬁ',
  'e\u0301 \u00e9 \u1e9b\u0323 \uac00 \u1100\u1161',
  'a\u0009b\u000bc\u0085d\u00a0e\u1680f\u2003g\u200bh\u2028i\u202fj\u205fk\u3000l\ufeffm',
  '\ud83d\udc69\u200d\ud83d\udc69\u200d\ud83d\udc67 \ud83c\udde9\ud83c\uddea \u2764\ufe0f',
  '\u{1f6dc} \u{11f00} \u{1c89} \u{a7cb} \ue000 \u{10ffff}',
  '\u4e2d\u6587 \u0e44\u0e17\u0e22 line\nline\r\nline\u2029line',
  '',
];
const TEXT_ROWS: Json = TEXTS.map((body) => ({ body }));

const PATTERNS = [
  '\\p{Lu}',
  '\\p{L}+',
  '\\w+',
  '\\s',
  '[[:alpha:]]+',
  '(?i)kelvin|strasse',
  '(a|ab)(c|bcd)(d*)',
  '^\\PM\\pM*$',
  '\\bline\\b',
  '.{3}$',
  '\\x{1F6DC}',
];

const EXPRESSIONS = [
  'size(body) > 3',
  "body.contains('e')",
  "body.matches('^[a-z]')",
  "body < 'f'",
  "body.lowerAscii() == 'straße'",
  'body.startsWith(body)',
];

const TEMPLATE =
  '{{ body | trim }}|{{ body | upper }}|{{ body | lower }}|{{ body | length }}|{{ body | wordcount }}|{{ body | truncate(5) }}|{{ body | tojson }}|{{ n }}|{{ x }}|{% for tag in tags %}{{ loop.index }}{{ tag }}{% if not loop.last %},{% endif %}{% endfor %}';

const ROWS_OF_TEMPLATE: Json = TEXTS.map((body, n) => ({ body, n: n * 1_000_003, x: n / 7, tags: ['a', [...body][0] ?? ''] }));

const DRAWS = `mizu: 1
name: draws
seed: determinism
budget: { candidates: 400 }
task: { size: 200 }
data: { topics: { list: [bread, clocks, moss, the sea, winter] }, voices: { map: { old: { share: 3 }, young: { share: 1 } } } }
generate:
  - select:   { from: topics, as: topic }
  - select:   { from: topics, as: once, each: true }
  - random:   { as: whole, integer: [-5, 1000000] }
  - random:   { as: real, number: [0, 1] }
  - template: { as: text, text: "{{whole}} of {{topic | upper}} ({{real}})" }
verify:
  - expression: { keep: "whole % 7 != 0 && real < 0.9" }
  - pattern:    { field: text, match: '[0-9]+ of \\p{Lu}+' }
  - length:     { field: text, words: [3, 5], tokenizer: white-space }
  - normalize:  { field: text, case: lower }
  - dedup:      { by: [text] }
`;

const FALLS = `mizu: 1
name: falls
seed: 7
budget: { candidates: 8 }
task: { size: 4 }
generate:
  - random:   { as: tilt, number: [0, 0.1] }
  - simulate: { engine: stacks, params: { steps: 40 }, with: { density: { value: 700 }, friction: { value: 0.6 }, restitution: { value: 0.1 }, shape: { value: box }, width: { value: 0.4 }, height: { value: 0.3 }, depth: { value: 0.5 }, bodies: { value: 4 }, drop: { value: 0.02 }, offset: { value: 0.2 }, tilt: tilt } }
`;

const SEED = '6d697a752d64657465726d696e69736d2d766563746f72732d6b65792d303031';
const KEY = toHex(signerFromSeed(Buffer.from(SEED, 'hex')).publicKey);
/** `Mizu ` a thousand times, as packers of one day wrote it: what is read must not depend on who reads. */
const PACKED = {
  zstd: '28b52ffd6088126d0000284d697a752001008083be6801',
  gzip: '1f8b0800000000000003edc4210100000803b02a147a100260484f0adc2696dea948922449922449faec006812435188130000',
} as const;

const operator = (name: string, params: Json, rows: Json = TEXT_ROWS): Json => ({ name, params, rows });

export const VECTOR_INPUTS: readonly VectorInput[] = [
  vector('print numbers', 'edges', BITS),
  vector('parse numbers', 'edges', NUMBER_TEXTS),
  vector('print and parse drawn numbers', '20,000 of all sizes', { seed: 'print', count: 20_000 }),
  vector('arithmetic', '20,000 of all sizes', { seed: 'arithmetic', count: 20_000 }),
  vector('json', 'documents', JSON_TEXTS),
  vector('avro', 'every type', {
    schema: RECORD,
    row: {
      text: 'é😀',
      number: 0.1,
      whole: -4503599627370496,
      yes: true,
      list: [1, -1, 64],
      map: { b: 'x', a: 'y', '10': 'z', '9': 'w' },
      maybe: null,
    },
  }),
  ...['7ff8000000000000', '7ff0000000000001', 'fff8000000000000', 'ffffffffffffffff', '8000000000000000', 'fff0000000000000'].map((bits) =>
    vector('avro', `the double ${bits}`, { schema: DOUBLE, row: {}, bits: { x: bits } }),
  ),
  vector('read avro', 'doubles, one of them a NaN in another form', {
    schema: DOUBLE,
    bytes: ['000000000000f87f', '010000000000f07f', '9a9999999999b93f', '00'],
  }),
  vector('hmac', 'draws', { key: SEED, messages: ['', 'a', ...TEXTS] }),
  vector('merkle', 'seven leaves', ['', '00', '0102', 'ff', '10', '2021', SEED]),
  ...ED25519_EDGES.map(([why, key, message, signature], n) => vector('ed25519', `${n}: ${why}`, { key, message, signature })),
  vector('vrf', 'proofs', { seed: SEED, key: KEY, alphas: ['', 'r', 'determinism'] }),
  vector('unpack', 'zstd', { codec: 'zstd', packed: PACKED.zstd }),
  vector('unpack', 'gzip', { codec: 'gzip', packed: PACKED.gzip }),
  ...(['bytes', 'codepoints', 'words', 'lines'] as const).map((unit) =>
    vector('operator', `length in ${unit}`, operator('length', { field: 'body', [unit]: [1_000, null] })),
  ),
  vector('operator', 'normalize', operator('normalize', { field: 'body', case: 'lower', whitespace: 'unicode' })),
  vector('operator', 'white space', operator('whitespace', { field: 'body' })),
  vector('operator', 'trim', operator('trim', { field: 'body' })),
  ...PATTERNS.map((match) => vector('operator', `pattern ${match}`, operator('pattern', { field: 'body', match }))),
  ...EXPRESSIONS.map((keep) => vector('operator', `expression ${keep}`, operator('expression', { keep }))),
  vector(
    'operator',
    'expression on doubles',
    operator(
      'expression',
      { keep: 'x * 3.0 == 0.3 || x / 0.0 > 1.0 || double(int(x)) == x' },
      [0.1, -0.1, 0, 2.5, 1e300].map((x) => ({ x })),
    ),
  ),
  vector('operator', 'template', operator('template', { as: 'out', text: TEMPLATE }, ROWS_OF_TEMPLATE)),
  vector('workflow', 'draws, text and rules', DRAWS),
  vector('workflow', 'stacks of bodies', FALLS),
];
