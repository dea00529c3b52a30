/**
 * Drops records whose key was seen before and names the record that won (law 5).
 *
 * Algebra. State: the map from key (32 bytes) to winner (k, i), the first record that brought it in order of (k, i).
 * A delta is the keys that a step adds, so state(k) = state(k−1) ∪ delta(k), and any new owner rebuilds the state by
 * applying all deltas in order; the keys of two deltas never meet. It suffices because a verdict asks only: is the key there?
 *
 * Delta: uvarint k ‖ uvarint n ‖ n keys of 32 bytes ‖ n × uvarint, the candidates i ascending, each as the difference to the one before.
 */
import type { KeyIndex, Winner } from '#engine';
import { ByteReader, ByteWriter, defineOperator, describeType, MizuError, toHex } from '#engine';
import { z } from 'zod';
import { existingField, toJson } from '../fields.ts';

const KEY_BYTES = 32;

const params = z.strictObject({
  by: z
    .array(existingField('Top-level field.'))
    .default([])
    .refine((fields) => new Set(fields).size === fields.length, { error: 'a field is named twice' })
    .describe('Fields that make two records equal; empty: the whole record.'),
});

export const dedup = defineOperator({
  name: 'dedup',
  version: 1,
  group: 'aggregate',
  kind: 'keyed',
  summary: 'Drop records that equal an earlier one.',
  description:
    'Two records are duplicates when the canonical Avro bytes of the `by` fields are equal. The first in order of task and candidate stays, whoever computed it when; ' +
    'every duplicate names it. The state grows by 32 bytes and a little for each kept record.',
  params,
  examples: [
    {
      title: 'by one field, the first one stays',
      params: { by: ['body'] },
      input: [
        { id: 1, body: 'a' },
        { id: 2, body: 'b' },
        { id: 3, body: 'a' },
        { id: 4, body: 'A' },
      ],
      output: [{ row: { id: 1, body: 'a' } }, { row: { id: 2, body: 'b' } }, { duplicate: { k: 0, i: 0 } }, { row: { id: 4, body: 'A' } }],
    },
    {
      title: 'by the whole record',
      params: {},
      input: [
        { id: 1, body: '😀' },
        { id: 2, body: '😀' },
        { id: 1, body: '😀' },
      ],
      output: [{ row: { id: 1, body: '😀' } }, { row: { id: 2, body: '😀' } }, { duplicate: { k: 0, i: 0 } }],
    },
    {
      title: 'an empty text is a value as any other; fields do not run together',
      params: { by: ['a', 'b'] },
      input: [
        { a: '', b: 'x' },
        { a: 'x', b: '' },
        { a: '', b: 'x' },
      ],
      output: [{ row: { a: '', b: 'x' } }, { row: { a: 'x', b: '' } }, { duplicate: { k: 0, i: 0 } }],
    },
  ],
  gas: { perRecord: 3, per64Bytes: 0 },
  keyed: { scope: 'key', by: (p) => p.by },
  defaultId: (p) => ['dedup', ...p.by].join('-'),
  plan(p, context) {
    const types = p.by.map((field, index) => {
      const type = context.fieldType(field, `by[${index}]`);
      if (type !== undefined && field.includes('.')) {
        context.problem(`by[${index}]`, `'${field}' lies inside a record (${describeType(type)})`, {
          expected: 'a top-level field',
          hint: `make a field of it first: set: { as: ${field.replaceAll('.', '_')}, value: "${field}" }`,
        });
        return undefined;
      }
      return type;
    });
    if (types.includes(undefined)) return [];
    return [{ params: toJson(p), reads: p.by.length > 0 ? p.by : context.schema.map((field) => field.name), writes: [] }];
  },
  open(op, env) {
    const index = env.local.openKeyIndex(op.id, env.program.expectedRecords);
    return {
      step(batch, out) {
        const fresh = new Map<string, Winner>();
        const keys: Uint8Array[] = [];
        const candidates: number[] = [];
        for (const row of batch.rows) {
          const key = batch.key(row);
          const name = toHex(key);
          const winner = fresh.get(name) ?? index.get(key);
          if (winner !== undefined) {
            out.duplicate(row, winner);
            continue;
          }
          const i = batch.candidate(row);
          fresh.set(name, { k: batch.k, i });
          keys.push(key);
          candidates.push(i);
        }
        return encodeDelta(batch.k, keys, candidates);
      },
      apply: (delta) => addDelta(index, delta),
      report: () => ({ keys: index.size }),
      close: () => index.close(),
    };
  },
});

function encodeDelta(k: number, keys: readonly Uint8Array[], candidates: readonly number[]): Uint8Array {
  const writer = new ByteWriter(16 + keys.length * (KEY_BYTES + 2));
  writer.uvarint(k);
  writer.uvarint(keys.length);
  for (const key of keys) writer.raw(key);
  let before = 0;
  for (const i of candidates) {
    writer.uvarint(i - before);
    before = i;
  }
  return writer.take();
}

/** @throws BYTES_INVALID for bytes that `encodeDelta` does not write. */
function addDelta(index: KeyIndex, delta: Uint8Array): void {
  const reader = new ByteReader(delta);
  const k = reader.uvarint();
  const count = reader.uvarint();
  const keys = reader.fixed(count * KEY_BYTES);
  const candidates = new Uint32Array(count);
  let before = 0;
  for (let n = 0; n < count; n++) {
    before += reader.uvarint();
    candidates[n] = before;
  }
  if (!reader.done) throw new MizuError('BYTES_INVALID', `A dedup delta of ${delta.length} bytes has ${reader.remaining} left over`);
  if (count > 0) index.addAll(keys, new Float64Array(count).fill(k), candidates);
}
