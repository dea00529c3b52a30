/**
 * Drops records whose key was seen before and names the record that won (law 5).
 *
 * Algebra. State: the map from key (32 bytes) to winner (k, i), the first record that brought it in order of (k, i).
 * A delta is the keys that a step adds, so state(k) = state(k−1) ∪ delta(k), and any new owner rebuilds the state by
 * applying all deltas in order; the keys of two deltas never meet. It suffices because a verdict asks only: is the key there?
 *
 * With a window of N tasks, step k also forgets the winners that step k + 1 must not see: state(k) = {winners of state(k−1) from k + 1 − N on} ∪ delta(k).
 * What is forgotten depends on k alone (law 1), and the state is the fold of the deltas of the last N steps: a snapshot needs no others.
 *
 * Delta: uvarint k ‖ uvarint n ‖ n keys of 32 bytes ‖ n × uvarint, the candidates i ascending, each as the difference to the one before.
 */
import type { KeyIndex } from '#kernel';
import { ByteReader, ByteWriter, defineOperator, describeType, KeyTable, MizuError } from '#kernel';
import { z } from 'zod';
import { existingField, openParams, toJson } from '../fields.ts';

const KEY_BYTES = 32;
/** Longest window, tasks: beyond it, nothing is forgotten in practice. */
const WINDOW_LIMIT_TASKS = 1_000_000_000;

const params = z.strictObject({
  by: z
    .array(existingField('Top-level field.'))
    .default([])
    .refine((fields) => new Set(fields).size === fields.length, { error: 'a field is named twice' })
    .describe('Fields that make two records equal; empty: the whole record.'),
  window: z
    .int()
    .min(1)
    .max(WINDOW_LIMIT_TASKS)
    .optional()
    .describe('Forget a record this many tasks after it was first seen; without it, none is forgotten. A stream without end needs it.'),
  unbounded: z
    .literal(true)
    .optional()
    .describe('In place of `window`: remember every record of a stream without end, on disk and on the log.'),
});

export const dedup = defineOperator({
  name: 'dedup',
  version: 1,
  group: 'aggregate',
  kind: 'keyed',
  summary: 'Drop records that equal an earlier one.',
  description:
    'Two records are duplicates when the canonical Avro bytes of the `by` fields are equal. The first in order of task and candidate stays, whoever computed it when; ' +
    'every duplicate names it. The state grows by 32 bytes and a little for each kept record. With `window: N`, a record of task k is a duplicate exactly if an equal one ' +
    'was kept in a task from k − N on: one that comes later than that is kept again. A stream without end needs `window`, or `unbounded: true`.',
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
    {
      title: 'a window of tasks; records of one task lie within any window',
      params: { by: ['id'], window: 100 },
      input: [{ id: 1 }, { id: 1 }, { id: 2 }],
      output: [{ row: { id: 1 } }, { duplicate: { k: 0, i: 0 } }, { row: { id: 2 } }],
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
    if (p.window !== undefined && p.unbounded === true) {
      context.problem('unbounded', "'window' and 'unbounded' say opposite things", { hint: 'remove one of them' });
      return [];
    }
    // Whether the author knows that the state grows changes nothing that is executed, so it is not part of the op.
    const { unbounded: _, ...executed } = p;
    return [{ params: toJson(executed), reads: p.by.length > 0 ? p.by : context.schema.map((field) => field.name), writes: [] }];
  },
  open(op, env) {
    const { window } = openParams(params, op.params, 'dedup');
    const index = env.local.openKeyIndex(op.id, env.program.expectedRecords);
    const horizon = (k: number): number => (window === undefined ? 0 : Math.max(0, k - window));
    return {
      step(batch, out) {
        const fresh = new KeyTable(batch.rows.length);
        for (const row of batch.rows) {
          const key = batch.key(row);
          const winner = index.get(key);
          if (winner !== undefined) out.duplicate(row, winner);
          else if (!fresh.add(key, 0, batch.k, batch.candidate(row))) out.duplicate(row, fresh.winner(fresh.find(key)));
        }
        return encodeDelta(batch.k, fresh);
      },
      apply: (delta) => addDelta(index, delta, horizon),
      ...(window === undefined ? {} : { horizon }),
      report: () => ({ keys: index.size }),
      close: () => index.close(),
    };
  },
});

function encodeDelta(k: number, fresh: KeyTable): Uint8Array {
  const writer = new ByteWriter(16 + fresh.size * (KEY_BYTES + 2));
  writer.uvarint(k);
  writer.uvarint(fresh.size);
  writer.raw(fresh.packedKeys);
  let before = 0;
  for (let entry = 0; entry < fresh.size; entry++) {
    const { i } = fresh.winner(entry);
    writer.uvarint(i - before);
    before = i;
  }
  return writer.take();
}

/** @throws BYTES_INVALID for bytes that `encodeDelta` does not write. */
function addDelta(index: KeyIndex, delta: Uint8Array, horizon: (k: number) => number): void {
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
  index.forgetBelow(horizon(k + 1));
  if (count > 0) index.addAll(keys, new Float64Array(count).fill(k), candidates);
}
