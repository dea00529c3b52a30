/** The keys that every step may have beside its operator's own: `id`, and for rules `onFail`. They belong to the kernel. */
import type { Operator } from '../contract/operator.ts';
import type { Json } from '../contract/program.ts';
import { joinPath } from '../workflow/document-path.ts';
import { kindOf } from '../workflow/explain-issues.ts';
import { nearest } from '../workflow/nearest.ts';
import type { ProblemDetails } from '../workflow/place.ts';
import { shorten } from '../workflow/place.ts';
import type { StepSpec } from '../workflow/workflow-schema.ts';
import { STEP_ID_PATTERN } from '../workflow/workflow-schema.ts';

/** Takes a problem at a path of the document; `part` says whether the key or its value is shown. */
export type ReportProblem = (path: string, message: string, details: ProblemDetails, part?: 'key' | 'value') => void;

export interface General {
  /** What is the operator's own. */
  readonly rest: Json;
  readonly id: string | undefined;
  readonly onFail: 'drop' | 'flag';
}

/** @returns undefined after a reported problem that leaves nothing to plan. */
export function takeGeneral(step: StepSpec, operator: Operator, report: ReportProblem): General | undefined {
  const params = step.params;
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    report(step.path, `The parameters of '${operator.name}' are ${kindOf(params)}`, { expected: 'a map, such as { field: body }' });
    return undefined;
  }
  const { id, ...others } = params as { readonly [key: string]: Json };
  const goodId = typeof id === 'string' && STEP_ID_PATTERN.test(id);
  if (id !== undefined && !goodId) {
    report(joinPath(step.path, 'id'), 'Not a step id', {
      value: shorten(JSON.stringify(id)),
      expected: 'letters, digits, _ - and ., at most 80',
    });
  }
  const general = { id: goodId ? id : undefined } as const;
  if (operator.group !== 'rule') return { ...general, rest: others, onFail: 'drop' };
  const { onFail = 'drop', ...rest } = others;
  if (onFail !== 'drop' && onFail !== 'flag') {
    const hint = typeof onFail === 'string' ? nearest(onFail, ['drop', 'flag']) : undefined;
    report(joinPath(step.path, 'onFail'), "'onFail' is not one of the known words", {
      value: shorten(JSON.stringify(onFail)),
      expected: 'drop, flag, or { repair: { model: NAME } }',
      hint,
    });
  }
  return { ...general, rest, onFail: onFail === 'flag' ? 'flag' : 'drop' };
}
