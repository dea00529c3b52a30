/**
 * Weights where a field says which list: by a number field that the elements of all lists have, or by list and element. Each list is weighted by itself,
 * and one that is not named has equal weights. Which list is picked from is no draw, so the lists themselves have none.
 */
import type { PlanContext } from '#kernel';
import type { PlannedLists } from './conditional.ts';
import { planWeights } from './weights.ts';

/** Values that a message names. */
const NAMES_SHOWN = 8;

export type ListWeights = string | Readonly<Record<string, number | Readonly<Record<string, number>>>>;

/** For each list its weights, as integers; null: equal ones. Undefined after a reported problem. */
export function planListWeights(
  lists: PlannedLists['lists'],
  weight: ListWeights,
  context: PlanContext,
): readonly (readonly number[] | null)[] | undefined {
  if (typeof weight !== 'string' && !namesLists(lists, weight, context)) return undefined;
  const all = lists.map(({ name, values }) => {
    const elements = { values, of: ` of list '${name}'`, example: `{ ${name}: { name: 3, other: 1 } }` };
    if (typeof weight === 'string') return planWeights({ ...elements, at: 'weight' }, weight, context);
    const own = Object.hasOwn(weight, name) ? weight[name] : undefined;
    return typeof own === 'object' ? planWeights({ ...elements, at: `weight.${name}` }, own, context) : null;
  });
  const weights = all.filter((one) => one !== undefined);
  return weights.length === all.length ? weights : undefined;
}

function namesLists(lists: PlannedLists['lists'], weight: Exclude<ListWeights, string>, context: PlanContext): boolean {
  const names = lists.map(({ name }) => name);
  const known = new Set(names);
  const wrong = Object.entries(weight).filter(([name, own]) => !known.has(name) || typeof own === 'number');
  for (const [name, own] of wrong) {
    if (known.has(name)) {
      context.problem(`weight.${name}`, `'${name}' is a list, and ${String(own)} no weights of its elements`, {
        expected: `a weight for each element of the list: ${name}: { element: 3, other: 1 }`,
      });
      continue;
    }
    const hint = context.nearest(name, names);
    context.problem(`weight.${name}`, `There is no list for '${name}'`, {
      expected: `a value that has a list: ${names.slice(0, NAMES_SHOWN).join(', ')}${names.length > NAMES_SHOWN ? ', …' : ''}`,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  return wrong.length === 0;
}
