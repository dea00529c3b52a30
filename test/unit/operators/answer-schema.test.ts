/** Answers by JSON Schema: what they become is known before the run (law 10), and nothing that breaks the schema or the types comes through. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Json, valueCodec, ByteWriter, ByteReader } from '#engine';
import { operators } from '#operators';
import { type AnswerSchema, openAnswer, planAnswerSchema } from '../../../operators/generate/answer-schema.ts';
import { contextOver, planOver } from './plan-context.ts';

function planned(schema: Json): { readonly plan: AnswerSchema | undefined; readonly problems: readonly string[] } {
  const { context, problems } = contextOver([]);
  return { plan: planAnswerSchema(schema, 'schema', context), problems };
}

function read(schema: Json, text: string) {
  const { plan, problems } = planned(schema);
  if (plan === undefined) throw new TypeError(problems.join('; '));
  return openAnswer(plan)(text);
}

const object = (properties: { readonly [name: string]: Json }, required = Object.keys(properties)): Json => ({
  type: 'object',
  properties,
  required,
});

describe('types from a schema', () => {
  it.each<[Json, unknown]>([
    [{ type: 'string' }, 'string'],
    [{ type: 'integer', minimum: 1 }, 'long'],
    [{ type: 'number' }, 'double'],
    [{ type: 'boolean' }, 'boolean'],
    [{ enum: ['a', 'b'] }, 'string'],
    [{ const: 3 }, 'long'],
    [{ enum: [1, 2.5] }, 'double'],
    [{ enum: ['a', null] }, { optional: 'string' }],
    [{ type: ['string', 'null'] }, { optional: 'string' }],
    [{ anyOf: [{ type: 'integer' }, { type: 'null' }] }, { optional: 'long' }],
    [{ type: 'array', items: { type: 'string' } }, { array: 'string' }],
    [{ type: 'object', additionalProperties: { type: 'number' } }, { map: 'double' }],
    [
      object({ b: { type: 'string' }, a: { type: 'integer' } }, ['b']),
      {
        record: [
          { name: 'a', type: { optional: 'long' } },
          { name: 'b', type: 'string' },
        ],
      },
    ],
  ])('%j', (schema, type) => {
    expect(planned(object({ x: schema })).plan?.fields).toEqual([{ name: 'x', type }]);
  });

  it('references into $defs are resolved, and objects are closed in what is sent', () => {
    const { plan } = planned({
      ...(object({ x: { $ref: '#/$defs/Part' } }) as object),
      $defs: { Part: object({ a: { type: 'string' } }) },
    } as Json);
    expect(plan?.schema).toEqual({
      type: 'object',
      additionalProperties: false,
      required: ['x'],
      properties: { x: { type: 'object', additionalProperties: false, required: ['a'], properties: { a: { type: 'string' } } } },
    });
  });
});

describe('a schema that says no type, or more than is kept, is refused by name (law 10)', () => {
  it.each<[Json, RegExp]>([
    [{ type: 'string' }, /object with properties/],
    [object({ x: {} }), /schema.properties.x: The schema says no type/],
    [object({ x: { type: 'text' } }), /no type "text"/],
    [object({ x: { type: 'string', pattern: '(a+)+' } }), /x.pattern: The keyword 'pattern'/],
    [object({ x: { type: 'string', minLenght: 3 } }), /'minLenght' is not known/],
    [object({ x: { anyOf: [{ type: 'string' }, { type: 'integer' }] } }), /no one type/],
    [object({ x: { enum: ['a', 1] } }), /one kind/],
    [object({ x: { type: 'array' } }), /x.items: A schema is an object/],
    [object({ 'x-y': { type: 'string' } }), /'x-y' can't be the name of a field/],
    [object({ x: { type: 'string' } }, ['y']), /no property "y"/],
    [object({ x: { $ref: 'http://example.org/s' } }), /leads outside/],
    [
      { ...(object({ x: { $ref: '#/$defs/A' } }) as object), $defs: { A: { type: 'array', items: { $ref: '#/$defs/A' } } } } as Json,
      /holds itself/,
    ],
    [{ ...(object({ x: { type: 'string' } }) as object), additionalProperties: true } as Json, /not named have no field/],
    [object({ x: { type: 'string', minLength: 'a' } }), /Not a JSON Schema/],
  ])('%j', (schema, problem) => {
    const { plan, problems } = planned(schema);
    expect(plan).toBeUndefined();
    expect(problems.join('; ')).toMatch(problem);
  });

  it('a file that is missing, no JSON or no schema is named', () => {
    const inference = operators.find(({ name }) => name === 'inference');
    if (inference === undefined) throw new TypeError('no inference');
    const plan = (files: Record<string, string>, schema: string) =>
      planOver(inference, { model: 'm', prompt: 'x', schema }, [], { files, models: ['m'] }).problems.join('; ');
    expect(plan({ 'a.json': '{' }, 'a.json')).toMatch(/a.json: JSON: /);
    expect(plan({ 'a.yaml': 'type: object\nproperties: { x: { type: strin } }' }, 'a.yaml')).toMatch(/no type "strin"/);
    expect(plan({ 'a.txt': '' }, 'a.txt')).toMatch(/how 'a.txt' is to be read/);
    expect(inference.files?.({ schema: 'a.json' })).toEqual([{ path: 'a.json', at: 'schema' }]);
  });
});

describe('answers', () => {
  const schema = object({ n: { type: 'integer' }, s: { type: 'string', maxLength: 2 }, o: { type: ['number', 'null'] } }, ['n', 's']);
  it.each<[string, unknown]>([
    ['{"n":1,"s":"😀a"}', { value: { n: 1, o: null, s: '😀a' } }],
    [' \n{"s":"","n":-0,"o":2}\n', { value: { n: 0, o: 2, s: '' } }],
    ['{"n":1.0,"s":"a"}', { value: { n: 1, o: null, s: 'a' } }],
    ['```json\n{"n":1,"s":"a"}\n```', { code: 'ANSWER_NOT_JSON' }],
    ['{"n":1,"n":2,"s":"a"}', { code: 'ANSWER_NOT_JSON' }],
    ['{"n":1,"s":"a"} and more', { code: 'ANSWER_NOT_JSON' }],
    ['', { code: 'ANSWER_NOT_JSON' }],
    ['{"n":"1","s":"a"}', { code: 'ANSWER_INVALID' }],
    ['{"n":1.5,"s":"a"}', { code: 'ANSWER_INVALID' }],
    ['{"n":1,"s":"abc"}', { code: 'ANSWER_INVALID' }],
    ['{"n":1,"s":"a","t":1}', { code: 'ANSWER_INVALID' }],
    ['{"n":4503599627370497,"s":"a"}', { code: 'ANSWER_INVALID' }],
    ['{"n":1,"s":"a","__proto__":1}', { code: 'ANSWER_INVALID' }],
    ['[]', { code: 'ANSWER_INVALID' }],
  ])('%s', (text, expected) => {
    expect(read(schema, text)).toMatchObject(expected as object);
  });

  it('whatever the answer, it is refused with a code or its value has the planned type', () => {
    const { plan } = planned(object({ n: { type: 'integer' }, list: { type: 'array', items: object({ a: { type: 'boolean' } }) } }, ['n']));
    if (plan === undefined) throw new TypeError('no plan');
    const check = openAnswer(plan);
    const codec = valueCodec({ record: plan.fields });
    const near = fc.record(
      { n: fc.oneof(fc.integer(), fc.double()), list: fc.oneof(fc.jsonValue(), fc.array(fc.record({ a: fc.jsonValue() }))) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(near, fc.jsonValue()), (json) => {
        const result = check(JSON.stringify(json));
        if ('code' in result) {
          expect(result.code).toMatch(/^ANSWER_[A-Z_]+$/);
          return;
        }
        const writer = new ByteWriter();
        codec.encode(writer, result.value);
        expect(codec.decode(new ByteReader(writer.take()))).toEqual(result.value);
      }),
    );
  });
});
