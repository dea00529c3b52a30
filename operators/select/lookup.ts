/** Joins a record with a map in global storage: the entry under the value of a field. The table is opened once per worker. */
import type { DataSet, FieldType, Value } from '#kernel';
import { asBuffer, defineOperator, describeType, invariant } from '#kernel';
import { z } from 'zod';
import { existingField, newField, openParams, planField, planWrite, readTextBytes, rootOf, shorten, toJson } from '../fields.ts';

const shape = {
  from: z.string().min(1).describe('Name of the map under `data`.'),
  key: existingField('Text field that holds the key; dotted paths reach into records.'),
  as: newField('Field that receives the value.'),
  missing: z
    .enum(['fail', 'null'])
    .default('fail')
    .describe('What happens where the map lacks the key: `fail`: the record fails with KEY_UNKNOWN; `null`: the field is null.'),
};
const params = z.strictObject(shape);
const planned = z.strictObject({ key: z.string(), column: z.boolean(), as: z.string(), missing: shape.missing });

export const lookup = defineOperator({
  name: 'lookup',
  version: 1,
  group: 'select',
  kind: 'row',
  summary: 'Take the value of a map under a key that the record holds.',
  description:
    'Enriches each record from a map: the field `as` receives the value whose key equals the text of `key`, byte by byte. A key that is null is in no map.',
  params,
  examples: [
    {
      title: 'a label for a code',
      params: { from: 'labels', key: 'code', as: 'label' },
      data: { labels: { a: 'first', '😀': '' } },
      input: [{ code: 'a' }, { code: '😀' }, { code: 'A' }],
      output: [{ row: { code: 'a', label: 'first' } }, { row: { code: '😀', label: '' } }, { failed: 'KEY_UNKNOWN' }],
    },
    {
      title: 'null where the map lacks the key',
      params: { from: 'ages', key: 'name', as: 'age', missing: 'null' },
      data: { ages: { ada: 36 } },
      input: [{ name: 'ada' }, { name: '' }],
      output: [{ row: { name: 'ada', age: 36 } }, { row: { name: '', age: null } }],
    },
    {
      title: 'a record for a key inside a record that may be null',
      params: { from: 'places', key: 'at.town', as: 'place' },
      schema: [{ name: 'at', type: { record: [{ name: 'town', type: { optional: 'string' } }] } }],
      data: { places: { Ulm: { lat: 48.4 } } },
      input: [{ at: { town: 'Ulm' } }, { at: { town: null } }],
      output: [{ row: { at: { town: 'Ulm' }, place: { lat: 48.4 } } }, { failed: 'KEY_UNKNOWN' }],
    },
  ],
  gas: { perRecord: 2, per64Bytes: 1 },
  defaultId: (p) => p.as,
  plan(p, context) {
    const data = context.data(p.from, 'from');
    const key = planField(context, p.key, 'key', ['string']);
    if (data === undefined || key === undefined) return [];
    if (data.kind !== 'map') {
      context.problem('from', `'${p.from}' is a list of ${describeType(data.type)}`, { expected: 'a map' });
      return [];
    }
    const type: FieldType = p.missing === 'null' ? optional(data.type) : data.type;
    if (!planWrite(context, p.as, type)) return [];
    return [
      {
        params: toJson({ key: p.key, column: key.column, as: p.as, missing: p.missing }),
        reads: [rootOf(p.key)],
        writes: [{ name: p.as, type }],
        data: [data.digest],
      },
    ];
  },
  open(op, env) {
    const p = openParams(planned, op.params, 'lookup');
    const [digest] = op.data;
    invariant(digest !== undefined, 'a planned lookup names its data');
    const table = tableOf(env.storage.data(digest), p.missing);
    const read = readTextBytes(p.key, p.column);
    return {
      execute(input, out) {
        for (const row of input.rows) {
          const bytes = read(input, row);
          const value = bytes === undefined ? undefined : table.get(nameOf(bytes));
          if (value instanceof Uint8Array) out.setBytes(p.as, row, value);
          else if (value !== undefined) out.setValue(p.as, row, value.value);
          else if (p.missing === 'null') out.setValue(p.as, row, null);
          else out.fail(row, 'KEY_UNKNOWN', `The map has no key '${shown(bytes)}'`);
        }
      },
    };
  },
});

function optional(type: FieldType): FieldType {
  return typeof type === 'object' && 'optional' in type ? type : { optional: type };
}

/** A text goes into the column as its UTF-8 bytes; any other value as it is. */
type Entry = Uint8Array | { readonly value: Value };

function tableOf({ type, keys, values }: DataSet, missing: 'fail' | 'null'): ReadonlyMap<string, Entry> {
  const isText = type === 'string' && missing === 'fail';
  return new Map(
    values.map((value, n): [string, Entry] => {
      const name = nameOf(Buffer.from(keys?.[n] ?? '', 'utf8'));
      return [name, isText && typeof value === 'string' ? Buffer.from(value, 'utf8') : { value }];
    }),
  );
}

/** One character for each byte: as good a name as the text, without decoding it. */
function nameOf(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1');
}

function shown(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? 'null' : shorten(Buffer.from(bytes).toString('utf8'));
}
