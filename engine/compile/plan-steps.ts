/**
 * Walks the author's steps in order, lets each operator plan its ops, and tracks the fields of a record. After a step that
 * could not be planned, fields may be missing for that reason alone: such echoes are not reported (law 10).
 */
import type { DataEngine } from '../contract/data-engine.ts';
import type { Problem } from '../contract/errors.ts';
import { invariant, MizuError, messageOf } from '../contract/errors.ts';
import type { Operator, OpPlan, PlannedRule, SourceInfo, SourceRequest, TopicRequest } from '../contract/operator.ts';
import type { Json, OnFail, OpSpec } from '../contract/program.ts';
import type { Field, Schema } from '../contract/types.ts';
import { sameType } from '../contract/types.ts';
import { childPath, joinPath } from '../workflow/document-path.ts';
import { explainIssues } from '../workflow/explain-issues.ts';
import { nearestOrAll } from '../workflow/nearest.ts';
import { problemAt, shorten } from '../workflow/place.ts';
import type { StepSpec } from '../workflow/workflow-schema.ts';
import type { GasRate } from './compile-host.ts';
import { lookUpField } from './field-type.ts';
import { type ReportProblem, takeGeneral } from './general-keys.ts';
import { FLAGS_FIELD, KERNEL_STEPS, SOURCE_FIELD } from './kernel-fields.ts';
import { isAuthors, openingDetails, openRequested } from './open-requested.ts';
import { asRepair } from './repair-step.ts';
import { readStepFiles } from './step-files.ts';
import type { Opened, PlanInput } from './plan-context.ts';
import { StepContext } from './plan-context.ts';

export interface PlannedOp {
  readonly spec: OpSpec;
  readonly gas: GasRate;
  /** Fields of a record before and after the op. */
  readonly before: Schema;
  readonly after: Schema;
  /** For a keyed op. */
  readonly keyed: { readonly scope: 'key' | 'global'; readonly by: readonly string[]; readonly most: number | undefined } | undefined;
  /** Path of the step's parameters in the document. */
  readonly path: string;
  /** See OpPlan. */
  readonly engine: DataEngine | undefined;
  /** The step's author could bound its state (P14). */
  readonly bounded: boolean;
}

export interface PlanResult {
  readonly ops: readonly PlannedOp[];
  readonly schema: Schema;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
  readonly source: { readonly info: SourceInfo; readonly request: SourceRequest } | undefined;
  readonly topic: TopicRequest | undefined;
  /** Author's names of data that ops asked for. */
  readonly usedData: ReadonlySet<string>;
  /** Some step could not be planned, so the schema may lack fields. */
  readonly uncertain: boolean;
}

export async function planSteps(input: PlanInput): Promise<PlanResult> {
  const planner = new StepPlanner(input);
  for (const [i, step] of input.spec.generate.entries()) await planner.step(step, i === 0);
  for (const step of input.spec.verify) await planner.step(step, false);
  return planner.finish();
}

class StepPlanner {
  private readonly input: PlanInput;
  private readonly problems: Problem[] = [];
  private readonly warnings: Problem[] = [];
  private readonly ops: PlannedOp[] = [];
  private readonly ids = new Map<string, string>();
  private readonly usedData = new Set<string>();
  /** Problems about a missing field, by its name: their hint is better once all steps are known. */
  private readonly missing: { readonly name: string; readonly index: number }[] = [];
  private schema: Field[] = [];
  private uncertain = false;
  private source: PlanResult['source'];
  private topic: PlanResult['topic'];

  constructor(input: PlanInput) {
    this.input = input;
  }

  private readonly report: ReportProblem = (path, message, details, part = 'value') => {
    const place = this.input.locate(path, part);
    this.problems.push(problemAt(path, place, message, part === 'key' ? { value: '', ...details } : details));
  };

  finish(): PlanResult {
    for (const { name, index } of this.missing) {
      const problem = this.problems[index];
      const maker = this.ops.find((op) => op.spec.writes.some((field) => field.name === name));
      if (problem !== undefined && maker !== undefined)
        this.problems[index] = { ...problem, hint: `step '${maker.spec.id}' makes it later: move that step above this one` };
    }
    return {
      ops: this.ops,
      schema: this.schema,
      problems: this.problems,
      warnings: this.warnings,
      source: this.source,
      topic: this.topic,
      usedData: this.usedData,
      uncertain: this.uncertain,
    };
  }

  async step(step: StepSpec, first: boolean): Promise<void> {
    if (step.operator === '') {
      this.uncertain = true;
      return;
    }
    const operator = this.input.registry.operators.find((candidate) => candidate.name === step.operator);
    if (operator === undefined) {
      this.uncertain = true;
      const names = this.input.registry.operators.map((candidate) => candidate.name);
      this.report(
        step.path,
        `Unknown operator '${shorten(step.operator)}'`,
        { hint: nearestOrAll(step.operator, names, 'known operators') },
        'key',
      );
      return;
    }
    const repair = asRepair(step, operator, this.input.registry);
    const planned = await this.plan(repair?.step ?? step, repair?.operator ?? operator, first);
    const mayWrite = operator.group !== 'rule' && operator.group !== 'correct' && operator.kind !== 'keyed';
    if (!planned && mayWrite) this.uncertain = true;
  }

  /** Whether the step made ops; otherwise something was reported, here or about the data it names. */
  private async plan(step: StepSpec, operator: Operator, first: boolean): Promise<boolean> {
    const general = takeGeneral(step, operator, this.report);
    if (general === undefined) return false;
    const parsed = operator.params.safeParse(general.rest, { reportInput: true });
    if (!parsed.success) {
      const moreKeys = operator.group === 'rule' ? ['id', 'onFail'] : ['id'];
      this.problems.push(
        ...explainIssues({ schema: operator.params, error: parsed.error, path: step.path, locate: this.input.locate, moreKeys }),
      );
      return false;
    }
    const source = await this.openSource(step, operator, parsed.data, first);
    if (source === 'failed') return false;
    const { files, problems } = await readStepFiles(operator.files?.(parsed.data) ?? [], this.input.host);
    for (const { at, message, details } of problems) this.report(joinPath(step.path, at), message, details);
    if (problems.length > 0) return false;
    const id =
      general.id ??
      operator
        .defaultId(parsed.data)
        .replaceAll(/[^A-Za-z0-9_.-]/g, '-')
        .slice(0, 80);
    const plans = this.planOperator({ operator, params: parsed.data, path: step.path, id, rulePath: step.rulePath }, { ...source, files });
    for (const plan of plans) this.add(step, operator, parsed.data, plan, id, general.onFail);
    return plans.length > 0;
  }

  private async openSource(step: StepSpec, operator: Operator, params: unknown, first: boolean): Promise<Opened | 'failed'> {
    const request = operator.source?.(params);
    if (request === undefined) return {};
    if (!first) {
      const message = `'${operator.name}' reads a source, so it can only be the first step`;
      this.report(step.path, message, { hint: 'make it the first step of `generate`' }, 'key');
      return 'failed';
    }
    try {
      const opened = await openRequested(request, this.input);
      if ('topic' in request) this.topic = request;
      else if (opened.source !== undefined) this.source = { info: opened.source, request };
      this.schema = [SOURCE_FIELD];
      return opened;
    } catch (error) {
      if (!isAuthors(error)) throw error;
      if (error.problems.length > 0) this.problems.push(...error.problems);
      else this.report(step.path, error.message, openingDetails(request, error));
      return 'failed';
    }
  }

  /** @param path of the parameters in the document. */
  private planOperator({ operator, params, path, id, rulePath }: StepPlanning, opened: Opened): readonly OpPlan[] {
    const { schema: fields, uncertain, usedData } = this;
    const rule = (step: Json, at: string): PlannedRule | undefined => this.planRule(step, joinPath(path, at), id, rulePath);
    const context = new StepContext(this.input, { step: id, fields, opened, uncertain, usedData, rule });
    let plans: readonly OpPlan[];
    try {
      plans = operator.plan(params, context);
    } catch (error) {
      if (!(error instanceof MizuError) || error.code !== 'WORKFLOW_INVALID') {
        throw new MizuError('INTERNAL', `Operator '${operator.name}' failed to plan: ${messageOf(error)}`, {
          cause: error,
          component: path,
          hint: 'This is a defect of the operator, not of the workflow.',
        });
      }
      context.problem('', error.message, error.hint === undefined ? {} : { hint: error.hint });
      plans = [];
    }
    for (const found of context.found) {
      if (found.missing !== undefined) this.missing.push({ name: found.missing, index: this.problems.length });
      this.report(joinPath(path, found.at), found.message, found.details);
    }
    for (const { at, message, details } of context.warned) {
      const place = joinPath(path, at);
      this.warnings.push(problemAt(place, this.input.locate(place), message, details));
    }
    return context.found.length > 0 ? [] : plans;
  }

  /** A rule that stands inside another step: its words and problems are those of a step of its own. */
  private planRule(step: Json, path: string, id: string, rulePath?: string): PlannedRule | undefined {
    const entries = typeof step === 'object' && step !== null && !Array.isArray(step) ? Object.entries(step) : [];
    const rules = this.input.registry.operators.filter(({ group }) => group === 'rule');
    const names = rules.map(({ name }) => name);
    const [first] = entries;
    if (first === undefined || entries.length > 1) {
      this.report(path, 'A check is one rule with its parameters', { expected: 'such as { length: { field: body, words: [20, 200] } }' });
      return undefined;
    }
    const [name, params] = first;
    const operator = rules.find((rule) => rule.name === name);
    const at = rulePath ?? childPath(path, name);
    if (operator === undefined) {
      this.report(at, `There is no rule '${shorten(name)}'`, { hint: nearestOrAll(name, names, 'rules') }, 'key');
      return undefined;
    }
    const parsed = operator.params.safeParse(params, { reportInput: true });
    if (!parsed.success) {
      this.problems.push(...explainIssues({ schema: operator.params, error: parsed.error, path: at, locate: this.input.locate }));
      return undefined;
    }
    const plans = this.planOperator({ operator, params: parsed.data, path: at, id }, {});
    const { field } = params as { readonly field?: unknown };
    return plans.length === 0 ? undefined : { op: name, field: typeof field === 'string' ? field : undefined, plans };
  }

  private add(step: StepSpec, operator: Operator, params: unknown, plan: OpPlan, stepId: string, onFail: 'drop' | 'flag'): void {
    const executing = plan.op === undefined ? operator : this.input.registry.operators.find((candidate) => candidate.name === plan.op);
    invariant(executing !== undefined, `operator '${operator.name}' plans the op '${plan.op}', which is not registered`);
    const id = plan.suffix === undefined || plan.suffix === '' ? stepId : `${stepId}.${plan.suffix}`;
    this.claimId(step, id);
    const becomes: OnFail = plan.onFail ?? (executing.group === 'rule' ? onFail : 'drop');
    const flagging = becomes === 'flag';
    const before = this.schema;
    const kept = keptField(becomes, plan);
    const had = before.some((field) => field.name === kept?.name);
    const reads = [...new Set(kept !== undefined && had ? [...plan.reads, kept.name] : plan.reads)];
    const writes = kept === undefined ? plan.writes : [kept, ...plan.writes];
    this.write(step, writes, flagging);
    if (reads.includes(SOURCE_FIELD.name)) this.schema = this.schema.filter((field) => field.name !== SOURCE_FIELD.name);
    const unknown = reads.find((path) => 'missing' in lookUpField(before, path));
    invariant(unknown === undefined || this.uncertain, `operator '${executing.name}' reads '${unknown}', which no step before makes`);
    const keyed =
      executing.keyed === undefined
        ? undefined
        : {
            scope: executing.keyed.scope,
            by: executing.keyed.by(plan.op === undefined ? params : plan.params),
            most: executing.keyed.most?.(plan.op === undefined ? params : plan.params),
          };
    const canonical = plan.params;
    this.ops.push({
      spec: {
        id,
        op: executing.name,
        version: executing.version,
        kind: executing.kind,
        params: canonical,
        reads,
        writes,
        data: plan.data ?? [],
        onFail: becomes,
        storage: executing.kind === 'row' ? 'local' : 'global',
        ...(executing.keyed?.drops === true ? { drops: true } : {}),
        ...(plan.random === undefined ? {} : { random: plan.random }),
      },
      gas: executing.gas,
      before,
      after: this.schema,
      keyed,
      path: step.path,
      engine: plan.engine,
      bounded: isBounded(step.params),
    });
  }

  private claimId(step: StepSpec, id: string): void {
    const first = this.ids.get(id);
    const cure = 'give it an `id` of its own';
    if (KERNEL_STEPS.includes(id)) this.report(step.path, `The step id '${id}' is Mizu's own`, { hint: cure }, 'key');
    else if (first !== undefined) {
      const line = this.input.locate(first, 'key').line;
      this.report(
        step.path,
        `Two steps have the id '${id}'`,
        { hint: `the first is ${line === undefined ? `at ${first}` : `in line ${line}`}; ${cure.replace('it', 'one of them')}` },
        'key',
      );
    }
    if (first === undefined) this.ids.set(id, step.path);
  }

  private write(step: StepSpec, writes: Schema, flagging: boolean): void {
    const next = [...this.schema];
    for (const field of writes) {
      const at = next.findIndex((existing) => existing.name === field.name);
      const old = next[at];
      if (flagging && field.name === FLAGS_FIELD.name && old !== undefined && !sameType(old.type, FLAGS_FIELD.type)) {
        this.report(childPath(step.path, 'onFail'), `A field 'flags' exists already, and 'onFail: flag' needs that name`, {
          hint: "rename the field, or use 'onFail: drop'",
        });
      }
      if (at < 0) next.push(field);
      else next[at] = field;
    }
    this.schema = next;
  }
}

interface StepPlanning {
  readonly operator: Operator;
  readonly params: unknown;
  readonly path: string;
  readonly id: string;
  /** See StepSpec. */
  readonly rulePath?: string | undefined;
}

/** Where it stands that a kept record broke a rule. */
function keptField(onFail: OnFail, { note }: OpPlan): Field | undefined {
  if (onFail === 'flag') return FLAGS_FIELD;
  return onFail === 'note' && note !== undefined ? { name: note, type: { optional: 'string' } } : undefined;
}

function isBounded(params: Json): boolean {
  if (typeof params !== 'object' || params === null || Array.isArray(params)) return false;
  const map = params as { readonly [key: string]: Json };
  return map['window'] !== undefined || map['unbounded'] === true;
}
