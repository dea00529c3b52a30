/**
 * How often each element of a list or map was taken, by the values of a field.
 *
 * Algebra. State: element → count, and the count of values that are no element. A delta is the counts of one step; counts add up, so any order of
 * deltas gives the same sums.
 *
 * Delta and snapshot: uvarint n ‖ n × (uvarint place ‖ uvarint count), places ascending. A place is that of the element among the different ones, in the
 * order of the data; the one after the last stands for every other value.
 */
import type { DataSet, Json, Value } from '#kernel';
import { asBuffer, ByteReader, ByteWriter, canonicalBytes, defineOperator, describeType, invariant, MizuError } from '#kernel';
import { z } from 'zod';
import { existingField, newField, openParams, readRowPath, requiredType, rootOf, shorten, stepWords, toJson } from '../fields.ts';

/** Elements that the report names among those which nobody took. */
export const UNUSED_LIMIT = 100;

const params = z.strictObject({
  field: existingField('Field whose values are looked for, of the type of the elements; for a map, text that is held against its keys.'),
  of: z.string().min(1).max(128).describe('Name of a list or map under `data`.'),
  as: newField('Name of the coverage in the report; without it, the step id.').optional(),
});

const planned = z.strictObject({ field: z.string(), as: z.string().optional() });

export const coverage = defineOperator({
  name: 'coverage',
  version: 1,
  group: 'aggregate',
  kind: 'keyed',
  summary: 'How much of a list was used, and how evenly.',
  description:
    'Changes nothing; the report of the run shows { elements, used, least, most, other, unused }: how many different elements the list has, how many of them stand in the field of some record, ' +
    'how often the rarest and the most frequent one do, how many records have another value, and up to 100 of the elements that no record has, in the order of the list.',
  params,
  examples: [
    {
      title: 'records pass',
      params: { field: 'thing', of: 'things' },
      data: { things: ['lamp', 'chair', 'kettle'] },
      input: [{ thing: 'lamp' }, { thing: 'lamp' }, { thing: 'none' }],
      output: [{ row: { thing: 'lamp' } }, { row: { thing: 'lamp' } }, { row: { thing: 'none' } }],
    },
    {
      title: 'a list of records',
      params: { field: 'place', of: 'places', as: 'towns' },
      data: { places: [{ town: 'Ulm' }, { town: 'Bonn' }] },
      input: [{ place: { town: 'Ulm' } }],
      output: [{ row: { place: { town: 'Ulm' } } }],
    },
    {
      title: 'the keys of a map',
      params: { field: 'who.key', of: 'people' },
      data: { people: { ada: { age: 36 }, '😀': { age: 1 } } },
      input: [{ who: { key: '😀', age: 1 } }],
      output: [{ row: { who: { key: '😀', age: 1 } } }],
    },
  ],
  gas: { perRecord: 2, per64Bytes: 0 },
  keyed: { scope: 'global', by: () => [] },
  defaultId: (p) => p.as ?? stepWords('coverage', p.field),
  plan(p, context) {
    const data = context.data(p.of, 'of');
    const type = context.fieldType(p.field, 'field');
    if (data === undefined || type === undefined) return [];
    const wanted = data.kind === 'map' ? 'string' : data.type;
    if (describeType(requiredType(type)) !== describeType(requiredType(wanted))) {
      context.problem(
        'field',
        `'${p.field}' is ${describeType(type)}, and '${p.of}' has ${data.kind === 'map' ? 'keys' : 'elements'} of another type`,
        {
          expected: describeType(wanted),
          ...(data.kind === 'map' ? { hint: 'a record that was selected from a map holds its key in `key`' } : {}),
        },
      );
      return [];
    }
    return [{ params: toJson({ field: p.field, as: p.as }), reads: [rootOf(p.field)], writes: [], data: [data.digest] }];
  },
  open(op, env) {
    const { field } = openParams(planned, op.params, 'coverage');
    const [digest] = op.data;
    invariant(digest !== undefined, 'a planned coverage names its data');
    const names = namesOf(env.storage.data(digest));
    const places = new Map(names.map((name, place) => [name, place]));
    const read = readRowPath(field);
    const counts = new Float64Array(names.length + 1);
    const add = (bytes: Uint8Array): void => {
      for (const [place, n] of decode(bytes, names.length)) counts[place] = (counts[place] ?? 0) + n;
    };
    return {
      step(batch) {
        const step = new Map<number, number>();
        for (const row of batch.rows) {
          const place = places.get(nameOf(read(batch.row(row)))) ?? names.length;
          step.set(place, (step.get(place) ?? 0) + 1);
        }
        return encode([...step].sort(([a], [b]) => a - b));
      },
      apply: add,
      snapshot: () => encode([...counts.entries()].filter(([, n]) => n > 0)),
      restore: add,
      report: () => reportOf(names, counts),
    };
  },
});

function reportOf(names: readonly string[], counts: Float64Array): Json {
  const own = [...counts.subarray(0, names.length)];
  const unused = names.filter((_, place) => own[place] === 0);
  return {
    elements: names.length,
    used: names.length - unused.length,
    least: own.reduce((least, n) => Math.min(least, n), own[0] ?? 0),
    most: own.reduce((most, n) => Math.max(most, n), 0),
    other: counts[names.length] ?? 0,
    unused: unused.slice(0, UNUSED_LIMIT).map((name) => shorten(name)),
  };
}

/** The different elements, or the keys, as the texts by which they are compared. */
function namesOf({ keys, values }: DataSet): readonly string[] {
  return [...new Set(keys ?? values.map(nameOf))];
}

function nameOf(value: Value): string {
  return typeof value === 'string' ? value : asBuffer(canonicalBytes(toJson(value))).toString('utf8');
}

function encode(counts: readonly (readonly [place: number, count: number])[]): Uint8Array {
  const writer = new ByteWriter();
  writer.uvarint(counts.length);
  for (const [place, n] of counts) {
    writer.uvarint(place);
    writer.uvarint(n);
  }
  return writer.take();
}

function* decode(bytes: Uint8Array, last: number): Generator<readonly [number, number]> {
  const reader = new ByteReader(bytes);
  const size = reader.uvarint();
  for (let n = 0; n < size; n++) {
    const place = reader.uvarint();
    if (place > last) throw new MizuError('BYTES_INVALID', `A coverage delta counts element ${place} of ${last}`);
    yield [place, reader.uvarint()];
  }
  if (!reader.done) throw new MizuError('BYTES_INVALID', `A coverage delta of ${bytes.length} bytes has ${reader.remaining} left over`);
}
