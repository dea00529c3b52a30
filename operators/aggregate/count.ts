/**
 * Counts records, by the value of a field.
 *
 * Algebra. State: group → count, and the count of what is beyond GROUPS_LIMIT. A delta is the counts of one step; counts add up, so
 * any order of deltas gives the same sums. Which groups have a place of their own depends on the order, which is that of k.
 *
 * Delta: uvarint n ‖ n × (name as Avro string ‖ uvarint count), names in order of their UTF-8 bytes.
 * Snapshot: uvarint total ‖ uvarint other ‖ the groups, as a delta.
 */
import type { Json } from '#kernel';
import { ByteReader, ByteWriter, defineOperator } from '#kernel';
import { z } from 'zod';
import { existingField, newField, openParams, planField, readRowPath, rootOf, toJson } from '../fields.ts';
import { decodeCounts, encodeCounts, GROUPS_LIMIT, groupName, sortedGroups } from './group-counts.ts';

const params = z.strictObject({
  by: existingField(
    'Text, whole number or truth field whose values make the groups; without it, all records are counted together.',
  ).optional(),
  as: newField('Name of the count in the report; without it, the step id.').optional(),
});

export const count = defineOperator({
  name: 'count',
  version: 1,
  group: 'aggregate',
  kind: 'keyed',
  summary: 'Count records, by the values of a field.',
  description:
    'Changes nothing; the report of the run shows { total, groups, other }: how many records came, how many of each value, and how many had a value beyond the first 10,000. A null is the group `null`.',
  params,
  examples: [
    {
      title: 'records pass',
      params: { by: 'label' },
      input: [{ label: 'a' }, { label: '' }, { label: '😀' }],
      output: [{ row: { label: 'a' } }, { row: { label: '' } }, { row: { label: '😀' } }],
    },
    { title: 'all together', params: {}, input: [{ n: 1 }, { n: 1 }], output: [{ row: { n: 1 } }, { row: { n: 1 } }] },
    {
      title: 'by a truth value',
      params: { by: 'ok', as: 'outcomes' },
      input: [{ ok: true }, { ok: false }],
      output: [{ row: { ok: true } }, { row: { ok: false } }],
    },
  ],
  gas: { perRecord: 1, per64Bytes: 0 },
  keyed: { scope: 'global', by: () => [] },
  defaultId: (p) => p.as ?? (p.by === undefined ? 'count' : `count-${p.by.replaceAll('.', '-')}`),
  plan(p, context) {
    if (p.by !== undefined && planField(context, p.by, 'by', ['string', 'long', 'boolean']) === undefined) return [];
    return [{ params: toJson(p), reads: p.by === undefined ? [] : [rootOf(p.by)], writes: [] }];
  },
  open(op) {
    const { by } = openParams(params, op.params, 'count');
    const groupOf = by === undefined ? undefined : readRowPath(by);
    const groups = new Map<string, number>();
    let total = 0;
    let other = 0;
    return {
      step(batch) {
        const counts = new Map<string, number>();
        for (const row of batch.rows) {
          const name = groupOf === undefined ? '' : groupName(groupOf(batch.row(row)));
          counts.set(name, (counts.get(name) ?? 0) + 1);
        }
        return encodeCounts(counts);
      },
      apply(delta) {
        for (const [name, added] of decodeCounts(delta)) {
          total += added;
          if (groups.has(name) || groups.size < GROUPS_LIMIT) groups.set(name, (groups.get(name) ?? 0) + added);
          else other += added;
        }
      },
      snapshot() {
        const writer = new ByteWriter();
        writer.uvarint(total);
        writer.uvarint(other);
        writer.raw(encodeCounts(groups));
        return writer.take();
      },
      restore(state) {
        const reader = new ByteReader(state);
        total = reader.uvarint();
        other = reader.uvarint();
        for (const [name, n] of decodeCounts(reader.fixed(reader.remaining))) groups.set(name, n);
      },
      report(): Json {
        if (groupOf === undefined) return { total };
        return { total, groups: Object.fromEntries(sortedGroups(groups)), other };
      },
    };
  },
});
