/**
 * Exactly so many records of each category at most (P4): the first ones in canonical order are kept, further ones are rejected.
 *
 * Algebra. State: category → records kept. A delta is what one step kept of each; counts add up. Which records are kept depends on the order, which is that of k.
 *
 * Delta and snapshot: uvarint n ‖ n × (category as Avro string ‖ uvarint count), in order of the UTF-8 bytes.
 */
import type { Json } from '#kernel';
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { existingField, newField, openParams, planField, readRowPath, rootOf, stepWords, toJson } from '../fields.ts';
import { decodeCounts, encodeCounts, GROUP_NAME_LIMIT, GROUPS_LIMIT, groupName, sortedGroups } from './group-counts.ts';

/** Most records of one category: as many as a run may accept. */
const COUNT_LIMIT = 2 ** 40;

const records = z.int().min(0).max(COUNT_LIMIT);

const params = z
  .strictObject({
    by: existingField('Text, whole number or truth field whose values are the categories.'),
    counts: z.record(z.string().max(GROUP_NAME_LIMIT), records).describe('Category → the most records of it.').optional(),
    each: records
      .describe('The most records of every category that `counts` does not name. Without it, those are all rejected.')
      .optional(),
    as: newField('Name of the quota in the report; without it, the step id.').optional(),
  })
  .refine((p) => p.each !== undefined || Object.keys(p.counts ?? {}).length > 0, {
    error: 'needs `each`, or `counts` with at least one category',
    path: ['counts'],
  });

export const quota = defineOperator({
  name: 'quota',
  version: 1,
  group: 'aggregate',
  kind: 'keyed',
  summary: 'Keep a number of records of each category, and reject the rest.',
  description:
    'The first records of each category are kept, in order of task and candidate; what comes after is rejected, with its number and the limit. With `accept` at the sum of the counts a run ends exactly when every category is full. ' +
    'The report shows { groups, missing }: how many records of each category were kept, and how many are missing of those that `counts` names. A null is the category `null`. Of more than 10,000 categories the records of later ones are rejected.',
  params,
  examples: [
    {
      title: 'two of each',
      params: { by: 'label', each: 2 },
      input: [{ label: 'a' }, { label: 'a' }, { label: '😀' }, { label: 'a' }],
      output: [{ row: { label: 'a' } }, { row: { label: 'a' } }, { row: { label: '😀' } }, { rejected: { measured: 3, limit: 2 } }],
    },
    {
      title: 'by name, and no others',
      params: { by: 'ok', counts: { true: 1, false: 0 }, as: 'outcomes' },
      input: [{ ok: true }, { ok: false }, { ok: true }],
      output: [{ row: { ok: true } }, { rejected: { measured: 1, limit: 0 } }, { rejected: { measured: 2, limit: 1 } }],
    },
    {
      title: 'a category inside a record',
      params: { by: 'at.town', counts: { Ulm: 1 }, each: 3 },
      input: [{ at: { town: 'Ulm' } }, { at: { town: 'Bonn' } }],
      output: [{ row: { at: { town: 'Ulm' } } }, { row: { at: { town: 'Bonn' } } }],
    },
  ],
  gas: { perRecord: 1, per64Bytes: 0 },
  keyed: {
    scope: 'global',
    by: () => [],
    drops: true,
    most: ({ counts = {}, each }) => (each === undefined ? Object.values(counts).reduce((sum, n) => sum + n, 0) : undefined),
  },
  defaultId: (p) => p.as ?? stepWords('quota', p.by),
  plan(p, context) {
    if (planField(context, p.by, 'by', ['string', 'long', 'boolean']) === undefined) return [];
    return [{ params: toJson(p), reads: [rootOf(p.by)], writes: [] }];
  },
  open(op) {
    const p = openParams(params, op.params, 'quota');
    const limits = new Map(Object.entries(p.counts ?? {}));
    const categoryOf = readRowPath(p.by);
    const kept = new Map<string, number>();
    const add = (delta: Uint8Array): void => {
      for (const [name, n] of decodeCounts(delta)) kept.set(name, (kept.get(name) ?? 0) + n);
    };
    return {
      step(batch, out) {
        const step = new Map<string, number>();
        let categories = kept.size;
        for (const row of batch.rows) {
          const name = groupName(categoryOf(batch.row(row)));
          const before = (kept.get(name) ?? 0) + (step.get(name) ?? 0);
          const isNew = before === 0 && !kept.has(name);
          const limit = isNew && categories >= GROUPS_LIMIT ? 0 : (limits.get(name) ?? p.each ?? 0);
          if (before >= limit) {
            out.reject(row, { measured: before + 1, limit });
            continue;
          }
          if (isNew) categories++;
          step.set(name, (step.get(name) ?? 0) + 1);
        }
        return encodeCounts(step);
      },
      apply: add,
      snapshot: () => encodeCounts(kept),
      restore: add,
      report(): Json {
        const missing = [...limits].flatMap(([name, limit]): [string, number][] => {
          const left = limit - (kept.get(name) ?? 0);
          return left > 0 ? [[name, left]] : [];
        });
        return { groups: Object.fromEntries(sortedGroups(kept)), missing: Object.fromEntries(sortedGroups(new Map(missing))) };
      },
    };
  },
});
