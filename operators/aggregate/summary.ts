/**
 * Count, least, greatest, sum and mean of a number field, exactly: the sum is the exact one, rounded once at the end.
 *
 * Algebra. State: (count, nulls, min, max, exact sum). Counts add, min and max are a semilattice, the sum is kept as a list of doubles
 * that do not overlap and whose exact sum is the sum of all values (Shewchuk 1997, "Adaptive Precision Floating-Point Arithmetic",
 * grow-expansion), so the result does not depend on the order of the deltas.
 *
 * Delta: uvarint count ‖ uvarint nulls ‖ (if count > 0) double min ‖ double max ‖ uvarint n ‖ n doubles, the parts of the sum. A snapshot has the same form.
 */
import type { Json } from '#kernel';
import { ByteReader, ByteWriter, defineOperator, MizuError } from '#kernel';
import { z } from 'zod';
import { existingField, newField, openParams, planField, readRowPath, rootOf, stepWords, toJson } from '../fields.ts';

const params = z.strictObject({
  field: existingField('Number field; dotted paths reach into records.'),
  as: newField('Name of the summary in the report; without it, the step id.').optional(),
});

export const summary = defineOperator({
  name: 'summary',
  version: 1,
  group: 'aggregate',
  kind: 'keyed',
  summary: 'Count, minimum, maximum, sum and mean of a number field.',
  description:
    'Changes nothing; the report of the run shows { count, nulls, min, max, sum, mean }. The sum is exact and rounded once; the mean is that sum divided by the count. ' +
    'A sum beyond the range of doubles is shown as null. There are no quantiles: exact ones need all values.',
  params,
  examples: [
    { title: 'records pass', params: { field: 'n' }, input: [{ n: 1 }, { n: -2 }], output: [{ row: { n: 1 } }, { row: { n: -2 } }] },
    {
      title: 'decimal numbers inside a record',
      params: { field: 'p.x', as: 'x' },
      schema: [{ name: 'p', type: { record: [{ name: 'x', type: 'double' }] } }],
      input: [{ p: { x: 0.1 } }],
      output: [{ row: { p: { x: 0.1 } } }],
    },
    {
      title: 'null is counted apart',
      params: { field: 'n' },
      schema: [{ name: 'n', type: { optional: 'long' } }],
      input: [{ n: null }, { n: 3 }],
      output: [{ row: { n: null } }, { row: { n: 3 } }],
    },
  ],
  gas: { perRecord: 1, per64Bytes: 0 },
  keyed: { scope: 'global', by: () => [] },
  defaultId: (p) => p.as ?? stepWords('summary', p.field),
  plan(p, context) {
    if (planField(context, p.field, 'field', ['long', 'double']) === undefined) return [];
    return [{ params: toJson(p), reads: [rootOf(p.field)], writes: [] }];
  },
  open(op) {
    const { field } = openParams(params, op.params, 'summary');
    const read = readRowPath(field);
    const state = new Tally();
    return {
      step(batch) {
        const tally = new Tally();
        for (const row of batch.rows) {
          const value = read(batch.row(row));
          if (typeof value === 'number' && Number.isFinite(value)) tally.add(value);
          else tally.nulls++;
        }
        return tally.encode();
      },
      apply: (delta) => state.merge(delta),
      snapshot: () => state.encode(),
      restore: (bytes) => state.restore(bytes),
      report: () => state.report(),
    };
  },
});

const DOUBLE_BYTES = 8;

class Tally {
  count = 0;
  nulls = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  /** Do not overlap, ascending in magnitude; their exact sum is the sum. */
  parts: number[] = [];

  add(value: number): void {
    this.count++;
    this.min = Math.min(this.min, value);
    this.max = Math.max(this.max, value);
    grow(this.parts, value);
  }

  encode(): Uint8Array {
    const writer = new ByteWriter();
    writer.uvarint(this.count);
    writer.uvarint(this.nulls);
    if (this.count > 0) {
      writer.double(this.min);
      writer.double(this.max);
      writer.uvarint(this.parts.length);
      for (const part of this.parts) writer.double(part);
    }
    return writer.take();
  }

  merge(delta: Uint8Array): void {
    const reader = new ByteReader(delta);
    const count = reader.uvarint();
    this.count += count;
    this.nulls += reader.uvarint();
    if (count > 0) {
      this.min = Math.min(this.min, reader.double());
      this.max = Math.max(this.max, reader.double());
      const size = reader.uvarint();
      for (let n = 0; n < size; n++) grow(this.parts, reader.double());
    }
    if (!reader.done) throw new MizuError('BYTES_INVALID', `A summary delta of ${delta.length} bytes has ${reader.remaining} left over`);
  }

  /** As `merge` into nothing, but with the parts as they were: how the sum is written must not depend on snapshots. */
  restore(bytes: Uint8Array): void {
    const before = new Tally();
    before.merge(bytes);
    const reader = new ByteReader(bytes);
    this.count = reader.uvarint();
    this.nulls = reader.uvarint();
    this.min = before.min;
    this.max = before.max;
    this.parts = [];
    if (this.count === 0) return;
    reader.fixed(2 * DOUBLE_BYTES);
    for (let left = reader.uvarint(); left > 0; left--) this.parts.push(reader.double());
  }

  report(): Json {
    const sum = roundedSum(this.parts);
    const known = this.count > 0 && Number.isFinite(sum);
    return {
      count: this.count,
      nulls: this.nulls,
      min: this.count > 0 ? this.min : null,
      max: this.count > 0 ? this.max : null,
      sum: known ? sum : null,
      mean: known ? sum / this.count : null,
    };
  }
}

/** Adds a value to the parts without any rounding error (two-sum per part); zeros are left out. */
function grow(parts: number[], value: number): void {
  let high = value;
  let kept = 0;
  for (const part of parts) {
    const sum = high + part;
    const virtual = sum - high;
    const error = high - (sum - virtual) + (part - virtual);
    if (error !== 0) parts[kept++] = error;
    high = sum;
  }
  parts.length = kept;
  if (high !== 0) parts.push(high);
}

/** The double nearest to the exact sum, ties to even: from the top, until what is left can't change the rounding but at a tie. */
export function roundedSum(parts: readonly number[]): number {
  let at = parts.length - 1;
  let sum = parts[at] ?? 0;
  let error = 0;
  while (at > 0 && error === 0) {
    const part = parts[--at] ?? 0;
    const next = sum + part;
    error = part - (next - sum);
    sum = next;
  }
  const below = parts[at - 1] ?? 0;
  if ((error < 0 && below < 0) || (error > 0 && below > 0)) {
    const doubled = error * 2;
    const next = sum + doubled;
    if (next - sum === doubled) return next;
  }
  return sum;
}

/** The exact sum of the values, rounded once. */
export function exactSum(values: readonly number[]): number {
  const parts: number[] = [];
  for (const value of values) grow(parts, value);
  return roundedSum(parts);
}
