/**
 * `onFail: { repair: { … } }` of a rule is another way to write the step `repair` with this one rule: the registry's operator of that name plans it,
 * so both ways make the same ops.
 */
import type { Operator, Registry } from '../contract/operator.ts';
import type { Json } from '../contract/program.ts';
import { childPath } from '../workflow/document-path.ts';
import type { StepSpec } from '../workflow/workflow-schema.ts';

/** The operator that mends what rules find wanting. */
const REPAIR = 'repair';

export interface RepairStep {
  readonly operator: Operator;
  readonly step: StepSpec;
}

type Params = { readonly [key: string]: Json };

/** Undefined for a step that asks for no repair. Problems of the rule's own parameters keep their place: `rulePath`. */
export function asRepair(step: StepSpec, rule: Operator, { operators }: Registry): RepairStep | undefined {
  const { params, path } = step;
  if (rule.group !== 'rule' || !isMap(params)) return undefined;
  const { onFail, id, ...rest } = params;
  const operator = operators.find(({ name, group }) => name === REPAIR && group === 'judge');
  if (operator === undefined || !isMap(onFail) || Object.keys(onFail).join() !== REPAIR || !isMap(onFail[REPAIR])) return undefined;
  const field = rest['field'];
  const settings: Params = {
    ...(field === undefined ? {} : { field }),
    ...onFail[REPAIR],
    ...(id === undefined ? {} : { id }),
    checks: [{ [rule.name]: rest }],
  };
  return { operator, step: { operator: REPAIR, params: settings, path: childPath(childPath(path, 'onFail'), REPAIR), rulePath: path } };
}

function isMap(json: Json | undefined): json is Params {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
