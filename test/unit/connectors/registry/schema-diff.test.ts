/** What a changed schema breaks, compared with another reader of Avro's rules; and how it is told. */
import avsc from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { schemaDifferences } from '../../../../connectors/registry/schema-diff.ts';
import { type FieldType, type Json, parseAvroSchema, type Schema, toAvroSchema } from '../../../../engine/index.ts';

function differences(before: Json, after: Json) {
  return schemaDifferences(parseAvroSchema(before), parseAvroSchema(after));
}

/** Whether avsc can read what was written under `writer` as `reader`. */
function avscReads(reader: Json, writer: Json): boolean {
  const [to, from] = [reader, writer].map((schema) => avsc.Type.forSchema(schema as avsc.Schema));
  try {
    to?.createResolver(from as avsc.Type);
    return true;
  } catch {
    return false;
  }
}

function record(fields: Json, name = 'R'): Json {
  return { type: 'record', name, fields };
}

const primitive = fc.constantFrom<FieldType>('string', 'long', 'double', 'boolean', 'bytes');
const { schema } = fc.letrec<{ type: FieldType; schema: Schema }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    primitive,
    primitive.map((optional) => ({ optional })),
    tie('type').map((array) => ({ array })),
    tie('type').map((map) => ({ map })),
    tie('schema').map((inner) => ({ record: inner })),
    tie('schema').map((inner) => ({ optional: { record: inner } })),
  ),
  schema: fc.uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'c'), type: tie('type') }), {
    selector: (field) => field.name,
    minLength: 1,
  }),
}));

describe('differences of two schemas', () => {
  it('break readers exactly when another implementation of Avro cannot read, in both directions', () => {
    let [readable, unreadable] = [0, 0];
    fc.assert(
      fc.property(schema, schema, fc.subarray(['a', 'b', 'c']), (one, other, changed) => {
        // The second schema takes some fields from elsewhere, so that many pairs differ a little.
        const two = [...one.filter(({ name }) => !changed.includes(name)), ...other.filter(({ name }) => changed.includes(name))];
        const [before, after] = [toAvroSchema(one, 'R'), toAvroSchema(two, 'R')];
        const found = differences(before, after);
        const [backward, forward] = [avscReads(after, before), avscReads(before, after)];
        if (backward) readable++;
        else unreadable++;
        expect(found.some((one) => one.breaksBackward)).toBe(!backward);
        expect(found.some((one) => one.breaksForward)).toBe(!forward);
      }),
      { numRuns: 1_000 },
    );
    // A law over pairs of which none or all can be read would say nothing.
    expect([readable > 100, unreadable > 100]).toEqual([true, true]);
  });

  it('are none between a schema and itself, also when a record holds itself', () => {
    fc.assert(
      fc.property(schema, (one) => {
        expect(differences(toAvroSchema(one, 'R'), toAvroSchema(one, 'R'))).toEqual([]);
      }),
    );
    const list = record([{ name: 'next', type: ['null', 'R'], default: null }]);
    expect(differences(list, list)).toEqual([]);
    const longer = record([
      { name: 'next', type: ['null', 'R'], default: null },
      { name: 'n', type: 'long' },
    ]);
    expect(differences(list, longer)).toEqual([expect.objectContaining({ path: 'n', kind: 'added', breaksBackward: true })]);
  });

  it.each<[string, Json, Json, boolean, boolean]>([
    ['an int becomes a long', 'int', 'long', false, true],
    ['a long becomes a double', 'long', 'double', false, true],
    ['text becomes bytes', 'string', 'bytes', false, false],
    ['a field becomes optional', 'long', ['null', 'long'], false, true],
    ['a symbol is added', { type: 'enum', name: 'E', symbols: ['X'] }, { type: 'enum', name: 'E', symbols: ['X', 'Y'] }, false, true],
    ['a symbol goes', { type: 'enum', name: 'E', symbols: ['X', 'Y'] }, { type: 'enum', name: 'E', symbols: ['X'] }, true, false],
    ['a size changes', { type: 'fixed', name: 'F', size: 4 }, { type: 'fixed', name: 'F', size: 8 }, true, true],
    ['a branch goes', ['null', 'long', 'string'], ['null', 'long'], true, false],
    ['a branch is widened', ['null', 'long'], ['null', 'double'], false, true],
  ])('are told where %s', (_what, before, after, breaksBackward, breaksForward) => {
    const of = (type: Json): Json => record([{ name: 'f', type }]);
    expect(differences(of(before), of(after))).toEqual([
      expect.objectContaining({ path: 'f', kind: 'retyped', breaksBackward, breaksForward }),
    ]);
    expect([avscReads(of(after), of(before)), avscReads(of(before), of(after))]).toEqual([!breaksBackward, !breaksForward]);
  });

  it('name a renamed record, but not another namespace', () => {
    expect(differences(record([], 'one.R'), record([], 'two.R'))).toEqual([]);
    expect(differences(record([], 'R'), record([], 'S'))).toEqual([
      expect.objectContaining({ path: '', kind: 'renamed', before: 'R', after: 'S' }),
    ]);
  });
});
