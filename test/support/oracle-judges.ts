/**
 * What steps that judge and repair do to one record, as plainly as their documentation says it. Such a step is a row of smaller ones, each with an
 * id of its own; what they hand to each other stands in fields whose names begin with `$`.
 */
import { seededDraws } from '../../engine/datavm/draws.ts';
import type { OpContext, PlainRow, PlainStep, PlainValue, Verdict } from './oracle-ops.ts';
import { length } from './oracle-ops.ts';
import { plainPick, plainSaying } from './plain-model.ts';

export const JUDGING: readonly string[] = ['judge', 'classify', 'repair'];

/** Scores of a rubric and their values, in order of name. */
type Rubric = { readonly [score: string]: readonly number[] };

/** The smaller steps of a step, in order. */
export function smallerSteps(step: PlainStep): readonly PlainStep[] {
  if (!JUDGING.includes(step.op)) return [step];
  const { id, params } = step;
  const small = (op: string, suffix: string, more: PlainStep['params'] = {}): PlainStep => ({
    op,
    id: `${id}.${suffix}`,
    params: { ...params, ...more },
    flag: false,
  });
  if (step.op === 'repair')
    return [small('check', 'check0-1'), small('rewrite', 'try1'), small('take', 'take1'), { ...step, op: 'repaired' }];
  const models = Array.isArray(params['models']) ? params['models'] : [];
  const asks = models.map((_, n) => small(step.op === 'judge' ? 'score' : 'sort', `judge${n + 1}`, { answer: `$${n + 1}` }));
  return step.op === 'judge' ? [...asks, small('sum', 'score'), { ...step, op: 'judged' }] : [...asks, { ...step, op: 'classified' }];
}

const visible = (row: PlainRow, more: PlainRow = {}): PlainRow =>
  Object.fromEntries(Object.entries({ ...row, ...more }).filter(([name]) => !name.startsWith('$')));
const noted = (row: PlainRow, more: PlainRow): Verdict => ({ kind: 'kept', row: { ...row, ...more } });
const rubricOf = ({ params }: PlainStep): Rubric => {
  const { scores } = params['rubric'] as unknown as { readonly scores: { readonly [name: string]: { readonly [value: string]: string } } };
  return Object.fromEntries(Object.entries(scores).map(([name, options]) => [name, Object.keys(options).map(Number)]));
};
const optionsOf = ({ params }: PlainStep): readonly string[] => Object.keys(params['options'] as { readonly [name: string]: string });
const ruleOf = ({ params, flag, id }: PlainStep): PlainStep => {
  const [rule] = params['checks'] as unknown as readonly { readonly length: PlainStep['params'] }[];
  return { op: 'length', id, params: rule?.length ?? {}, flag };
};

/** Asks in up to so many draws; the failure is that of the last one. */
function ask<T>(
  { id, params }: PlainStep,
  { seed, candidate }: OpContext,
  read: (seed: number) => T | { readonly code: string },
): T | { readonly code: string } {
  let said: T | { readonly code: string } = { code: 'nobody was asked' };
  for (let draw = 0; draw < Number(params['draws']); draw++) {
    said = read(seededDraws(seed, id).below(2 ** 31 - 1, candidate, 'seed', draw));
    if (typeof said !== 'object' || said === null || !('code' in said)) break;
  }
  return said;
}

/** What a schema with choices is answered with; each choice has a place of its own. */
function picked(
  step: PlainStep,
  context: OpContext,
  choices: readonly (readonly PlainValue[])[],
): PlainValue[] | { readonly code: string } {
  return ask(step, context, (seed) => {
    const picks = choices.map((options, at) => plainPick(seed, at, options));
    const failed = picks.find((pick) => typeof pick === 'object' && pick !== null && 'code' in pick);
    return (failed as { readonly code: string } | undefined) ?? (picks as PlainValue[]);
  });
}

function askForPicks(row: PlainRow, step: PlainStep, context: OpContext, choices: readonly (readonly PlainValue[])[]): Verdict {
  const said = picked(step, context, choices);
  return 'code' in said ? { kind: 'failed', code: said.code } : noted(row, { [String(step.params['answer'])]: said });
}

const answersOf = (row: PlainRow): (readonly PlainValue[])[] =>
  Object.entries(row).flatMap(([name, value]) => (name.startsWith('$') && Array.isArray(value) ? [value] : []));

/** The most frequent; of those that tie, the first. */
function mostFrequent<T>(values: readonly T[]): T | undefined {
  const count = (value: T): number => values.filter((other) => other === value).length;
  return values.find((value) => values.every((other) => count(other) <= count(value)));
}

/** As a sum and what it is divided by, which is the same for every score. */
function combined(rule: string, values: readonly number[]): readonly [over: number, under: number] {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  if (rule === 'mean') return [sorted.reduce((sum, value) => sum + value, 0), sorted.length];
  if (rule === 'median') return sorted.length % 2 === 1 ? [sorted[half] ?? 0, 1] : [(sorted[half - 1] ?? 0) + (sorted[half] ?? 0), 2];
  return [rule === 'min' ? (sorted[0] ?? 0) : (mostFrequent(sorted) ?? 0), 1];
}

function judged(row: PlainRow, step: PlainStep): Verdict {
  const { combine, min, least, as } = step.params;
  const names = Object.keys(rubricOf(step));
  const each = names.map((_, at) =>
    combined(
      String(combine),
      answersOf(row).map((answer) => Number(answer[at])),
    ),
  );
  const mean = each.reduce((sum, [over]) => sum + over, 0) / (each.length * (each[0]?.[1] ?? 1));
  const scores = Object.fromEntries(names.map((name, at) => [name, (each[at]?.[0] ?? 0) / (each[at]?.[1] ?? 1)]));
  const limits = Object.entries((least ?? {}) as { readonly [name: string]: number });
  const passed = (min === undefined || mean >= Number(min)) && limits.every(([name, low]) => Number(scores[name]) >= low);
  const after = visible(row, as === undefined ? {} : { [String(as)]: { ...scores, score: mean } as unknown as PlainValue });
  if (passed) return { kind: 'kept', row: after };
  const words = names.map((name) => `${name} ${scores[name]}`).join(', ');
  const limit = [...(min === undefined ? [] : [`at least ${String(min)}`]), ...limits.map(([name, low]) => `${name} at least ${low}`)].join(
    ', ',
  );
  return { kind: 'rejected', measured: `${mean}${names.length === 1 ? '' : ` (${words})`}`, limit, row: after };
}

export const JUDGING_OPS: { readonly [op: string]: (row: PlainRow, step: PlainStep, context: OpContext) => Verdict } = {
  score: (row, step, context) => askForPicks(row, step, context, Object.values(rubricOf(step))),
  sum: (row) => noted(row, {}),
  judged,
  sort: (row, step, context) => askForPicks(row, step, context, [optionsOf(step)]),
  classified: (row, { params }) => ({
    kind: 'kept',
    row: visible(row, { [String(params['as'])]: mostFrequent(answersOf(row).map(([pick]) => pick)) ?? '' }),
  }),
  check: (row, step) => noted(row, { $wanting: length(row, ruleOf(step)).kind === 'rejected' }),
  rewrite: (row, step, context) => {
    if (row['$wanting'] !== true) return noted(row, {});
    const said = ask(step, context, (seed) => plainSaying(seed) ?? { code: 'ANSWER_CUT' });
    return noted(row, typeof said === 'string' ? { $text: said } : {});
  },
  take: (row, { params }) => noted(row, typeof row['$text'] === 'string' ? { [String(params['field'])]: row['$text'] } : {}),
  repaired: (row, step) => {
    const verdict = length(row, ruleOf(step));
    return verdict.kind === 'kept' ? { kind: 'kept', row: visible(row) } : verdict;
  },
};
