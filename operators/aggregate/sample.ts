/**
 * A uniform sample of fixed size, named in the report: the records whose draw is lowest ("bottom-k").
 *
 * Algebra. State: the `size` lowest (hash, k, i) so far, and how many records came. Merging is union and keeping the lowest, which is
 * associative, commutative and idempotent; counts add. So the sample does not depend on order. A delta holds only what may enter the state.
 *
 * Delta: uvarint records ‖ uvarint n ‖ n × (hash of 32 bytes ‖ uvarint k ‖ uvarint i), ascending by hash, k, i. A snapshot has the same form.
 */
import { ByteReader, ByteWriter, compareBytes, defineOperator, MizuError } from '#kernel';
import { z } from 'zod';
import { newField, openParams, toJson } from '../fields.ts';

/** Largest sample, records. */
export const SAMPLE_LIMIT = 100_000;
const HASH_BYTES = 32;

const params = z.strictObject({
  size: z.int().min(1).max(SAMPLE_LIMIT).describe(`How many records (1 to ${SAMPLE_LIMIT}).`),
  as: newField('Name of the sample in the report; without it, the step id.').optional(),
});

interface Pick {
  readonly hash: Uint8Array;
  readonly k: number;
  readonly i: number;
}

export const sample = defineOperator({
  name: 'sample',
  version: 1,
  group: 'aggregate',
  kind: 'keyed',
  summary: 'Name a uniform sample of the records in the report.',
  description:
    'Changes nothing; the report of the run shows { size, of, records }: the k.i of the records whose seeded hash is lowest, in that order. Every record is equally likely, and a larger size keeps the same records first.',
  params,
  examples: [
    { title: 'records pass', params: { size: 1 }, input: [{ n: 1 }, { n: 2 }], output: [{ row: { n: 1 } }, { row: { n: 2 } }] },
    { title: 'a sample larger than the data', params: { size: 10, as: 'all' }, input: [{ s: '😀' }], output: [{ row: { s: '😀' } }] },
    { title: 'no record at all', params: { size: 3 }, schema: [{ name: 'n', type: 'long' }], input: [], output: [] },
  ],
  gas: { perRecord: 3, per64Bytes: 0 },
  keyed: { scope: 'global', by: () => [] },
  defaultId: (p) => p.as ?? 'sample',
  plan: (p) => [{ params: toJson(p), reads: [], writes: [] }],
  open(op, env) {
    const { size } = openParams(params, op.params, 'sample');
    let lowest: readonly Pick[] = [];
    let seen = 0;
    return {
      step(batch) {
        const limit = lowest.length < size ? undefined : lowest[size - 1];
        const entering: Pick[] = [];
        for (const row of batch.rows) {
          const i = batch.candidate(row);
          const pick = { hash: env.draws.bytes(batch.k, 'sample', i), k: batch.k, i };
          if (limit === undefined || compare(pick, limit) < 0) entering.push(pick);
        }
        return encodePicks(batch.rows.length, entering.sort(compare).slice(0, size));
      },
      apply(delta) {
        const { records, picks } = decodePicks(delta);
        seen += records;
        lowest = [...lowest, ...picks].sort(compare).slice(0, size);
      },
      snapshot: () => encodePicks(seen, lowest),
      restore(state) {
        const { records, picks } = decodePicks(state);
        seen = records;
        lowest = picks;
      },
      report: () => ({ size: lowest.length, of: seen, records: lowest.map((pick) => `${pick.k}.${pick.i}`) }),
    };
  },
});

function compare(a: Pick, b: Pick): number {
  return compareBytes(a.hash, b.hash) || a.k - b.k || a.i - b.i;
}

function encodePicks(records: number, picks: readonly Pick[]): Uint8Array {
  const writer = new ByteWriter();
  writer.uvarint(records);
  writer.uvarint(picks.length);
  for (const pick of picks) {
    writer.raw(pick.hash);
    writer.uvarint(pick.k);
    writer.uvarint(pick.i);
  }
  return writer.take();
}

function decodePicks(delta: Uint8Array): { readonly records: number; readonly picks: readonly Pick[] } {
  const reader = new ByteReader(delta);
  const records = reader.uvarint();
  const count = reader.uvarint();
  const picks = Array.from({ length: count }, () => ({
    hash: Uint8Array.from(reader.fixed(HASH_BYTES)),
    k: reader.uvarint(),
    i: reader.uvarint(),
  }));
  if (!reader.done) throw new MizuError('BYTES_INVALID', `A sample delta of ${delta.length} bytes has ${reader.remaining} left over`);
  return { records, picks };
}
