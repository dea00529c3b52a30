/** `select` where a field says which list: each list is drawn from as one list is, by its own weights. */
import type { FieldType, OpEnv, OpPlan, OpSpec, PlanContext, RowExecutor } from '#kernel';
import { planWrite, rootOf, toJson } from '../fields.ts';
import { type Conditional, openLists, type PlannedList, planLists } from './conditional.ts';
import { type ListWeights, planListWeights } from './list-weights.ts';
import { give } from './picks.ts';

interface ByField {
  readonly as: string;
  readonly pick?: number | undefined;
}

export function planByField(
  p: ByField & { readonly from: Conditional; readonly weight?: ListWeights | undefined; readonly random?: 'hash' | 'vrf' },
  context: PlanContext,
): OpPlan[] {
  const planned = planLists(p.from, context);
  if (planned === undefined) return [];
  const { by, column, values, data, element, lists } = planned;
  const listWeights = p.weight === undefined ? undefined : planListWeights(lists, p.weight, context);
  if (p.weight !== undefined && listWeights === undefined) return [];
  if (!fits(p, lists, listWeights, context)) return [];
  const type: FieldType = p.pick === undefined ? element : { array: element };
  if (!planWrite(context, p.as, type)) return [];
  return [
    {
      params: toJson({ as: p.as, pick: p.pick, by, column, values, listWeights }),
      reads: [rootOf(by)],
      writes: [{ name: p.as, type }],
      data,
      random: p.random === 'vrf' ? 'vrf' : undefined,
    },
  ];
}

/** Every list needs an element that may be picked, and so many of them as are. */
function fits(
  { pick, weight }: ByField & { readonly weight?: ListWeights | undefined },
  lists: readonly PlannedList[],
  weights: readonly (readonly number[] | null)[] | undefined,
  context: PlanContext,
): boolean {
  const available = lists.map(({ values }, n) => weights?.[n]?.filter((one) => one > 0).length ?? values.length);
  for (const [n, { name }] of lists.entries()) {
    if (available[n] !== 0) continue;
    const at = typeof weight === 'string' ? 'weight' : `weight.${name}`;
    context.problem(at, `Every element of list '${name}' has weight 0: there is nothing to pick from`, { expected: 'a weight above 0' });
  }
  const least = Math.min(...available);
  if (least > 0 && pick !== undefined && pick > least) {
    context.problem('pick', `${pick} different elements can't be picked from ${least}`, { expected: `1 to ${least}` });
    return false;
  }
  return least > 0;
}

export interface OpenByField extends ByField {
  readonly by: string;
  readonly column: boolean;
  readonly values?: readonly string[] | undefined;
  readonly listWeights?: readonly (readonly number[] | null)[] | undefined;
}

export function openByField({ as, pick, by, column, values, listWeights }: OpenByField, op: OpSpec, env: OpEnv): RowExecutor {
  const listOf = openLists(
    { by, column, ...(values === undefined ? {} : { values }) },
    listWeights,
    op.data.map((digest) => env.storage.data(digest)),
  );
  return {
    execute(input, out) {
      const draws = env.drawsFor(input);
      for (const row of input.rows) {
        const list = listOf(input, row);
        if ('unknown' in list) out.fail(row, 'KEY_UNKNOWN', `There is no list for '${list.unknown}'`);
        else give(list, { as, pick, row, candidate: input.candidate(row) }, draws, out);
      }
    },
  };
}
