/** Whether a run can end: counts, budgets, sources, and state that would grow for ever (P14, law 6). */
import type { Problem } from '../contract/errors.ts';
import type { Locate, ProblemDetails } from '../workflow/place.ts';
import { problemAt } from '../workflow/place.ts';
import type { WorkflowSpec } from '../workflow/workflow-schema.ts';
import type { PlanResult } from './plan-steps.ts';

export interface Bounds {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

export function checkBounds(spec: WorkflowSpec, plan: PlanResult, locate: Locate): Bounds {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const at = (path: string, message: string, details: ProblemDetails): Problem => problemAt(path, locate(path), message, details);
  const { accept, budget } = spec;
  const records = plan.source?.info.records;
  if (accept !== undefined && budget.candidates !== undefined && accept > budget.candidates) {
    problems.push(
      at('accept', `${accept} records can't be accepted out of ${budget.candidates} candidates`, {
        expected: 'accept ≤ budget.candidates',
        hint: 'raise budget.candidates, or lower accept',
      }),
    );
  }
  if (accept !== undefined && records !== undefined && accept > records) {
    problems.push(
      at('accept', `${accept} records can't be accepted: the source has ${records}`, {
        expected: `at most ${records}`,
        hint: 'lower accept, or leave it out to publish all that pass',
      }),
    );
  }
  for (const { keyed, spec: op, path } of plan.ops) {
    if (accept === undefined || keyed?.most === undefined || accept <= keyed.most) continue;
    problems.push(
      at('accept', `${accept} records can't be accepted: step '${op.id}' lets ${keyed.most} pass`, {
        expected: `at most ${keyed.most}`,
        hint: `lower accept, or raise the numbers at ${path}`,
      }),
    );
  }
  if (records === 0)
    problems.push(at(plan.ops[0]?.path ?? 'generate', 'The source has no records', { hint: 'check the path and the format' }));
  // A source that could not be opened is no reason to call the stream endless.
  const paid = plan.ops.some(({ spec: op }) => op.kind === 'external') && (budget.tokens !== undefined || budget.money !== undefined);
  const ends = paid || records !== undefined || plan.topic?.until !== undefined || budget.candidates !== undefined || plan.uncertain;
  if (!ends && accept !== undefined) {
    warnings.push(
      at('accept', `Nothing ends the run if fewer than ${accept} records pass`, {
        value: '',
        hint: `add \`budget: { candidates: ${accept * SUGGESTED_BUDGET} }\``,
      }),
    );
  }
  if (!ends && accept === undefined) {
    // Who reads a live topic means it.
    if (plan.topic === undefined)
      warnings.push(
        at('generate', 'The stream is endless: there is no accept, no source and no budget.candidates', {
          value: '',
          hint: 'add `accept: 1000`, or run it until you stop it',
        }),
      );
    for (const op of plan.ops) {
      if (op.keyed?.scope !== 'key' || op.bounded) continue;
      problems.push(
        problemAt(op.path, locate(op.path, 'key'), `Step '${op.spec.id}' remembers every record of an endless stream`, {
          expected: '`window`, `unbounded: true`, or a run that ends (P14)',
          hint: 'say after how many tasks a record is forgotten (`window: 10000`), or that all are kept (`unbounded: true`), or bound the run with `accept` or `budget: { candidates: … }`',
          value: '',
        }),
      );
    }
  }
  return { problems: [...problems, ...unkept(spec, at)], warnings };
}

/** Promises of the language that this version can't keep: refused, since ignoring them would let a run cost or keep what its author ruled out. */
function unkept(spec: WorkflowSpec, at: (path: string, message: string, details: ProblemDetails) => Problem): Problem[] {
  const problems: Problem[] = [];
  if (spec.publish.storage !== 'global') {
    problems.push(at('publish.storage', 'Published records always go to global storage', { expected: 'global', hint: 'leave it out' }));
  }
  return problems;
}

/** Candidates per accepted record that the hint suggests. */
const SUGGESTED_BUDGET = 4;
