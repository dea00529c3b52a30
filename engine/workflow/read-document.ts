/**
 * From a plain value to a checked workflow: each section by itself, so that one wrong section hides no other problem (law 10).
 * A section that is wrong stands with its default in the result, which is then only good for finding more problems.
 */
import type { z } from 'zod';
import type { Retention } from '../contract/log.ts';
import type { Problem } from '../contract/errors.ts';
import type { Json, SourceAddress } from '../contract/program.ts';
import { explainIssues, kindOf } from './explain-issues.ts';
import { childPath } from './document-path.ts';
import { nearestOrAll } from './nearest.ts';
import type { Locate } from './place.ts';
import { problemAt, shorten } from './place.ts';
import type { DataSource, ModelSpec, SectionName, StepSpec, WorkflowSpec } from './workflow-schema.ts';
import { byteCount, durationMs } from './units.ts';
import { DEFAULT_DEADLINE, SECTION_NAMES, stepShape, STEPS_LIMIT, WORKFLOW_SECTIONS } from './workflow-schema.ts';

export interface DocumentReading {
  /** Undefined when the document is no map at all. */
  readonly spec: WorkflowSpec | undefined;
  readonly problems: readonly Problem[];
}

export function readDocument(value: Json | undefined, locate: Locate): DocumentReading {
  if (!isMap(value)) {
    const problem = problemAt('', locate(''), value === null ? 'The workflow is empty' : `The workflow is ${kindOf(value)}`, {
      expected: 'a map with mizu, name, generate, verify, …',
      hint: '`mizu init` writes a workflow to start from',
    });
    return { spec: undefined, problems: [problem] };
  }
  const problems: Problem[] = [];
  for (const key of Object.keys(value)) {
    if ((SECTION_NAMES as readonly string[]).includes(key)) continue;
    problems.push(
      problemAt(childPath('', key), locate(childPath('', key), 'key'), `Unknown key '${shorten(key)}'`, {
        hint: nearestOrAll(key, SECTION_NAMES, 'known keys'),
      }),
    );
  }
  const missingNear = new Set(problems.map((p) => /^did you mean '(.+)'\?$/.exec(p.hint ?? '')?.[1]));
  const section = <T>(name: SectionName, schema: z.ZodType<T>, fallback: T): T => {
    if (value[name] === undefined && missingNear.has(name)) return fallback;
    const result = schema.safeParse(value[name], { reportInput: true });
    if (result.success) return result.data;
    problems.push(...explainIssues({ schema, error: result.error, path: name, locate }).map(nameTheSection(name)));
    return fallback;
  };
  const s = WORKFLOW_SECTIONS;
  const data = entries(value['data'], s.data, 'data', locate, problems);
  const models = entries(value['models'], s.models, 'models', locate, problems);
  const sources = entries(value['sources'], s.sources, 'sources', locate, problems);
  const task = section('task', s.task, s.task.parse({}));
  const publish = section('publish', s.publish, s.publish.parse({}));
  const budget = section('budget', s.budget, {});
  const spec: WorkflowSpec = {
    mizu: section('mizu', s.mizu, 1),
    name: section('name', s.name, 'unnamed'),
    description: section('description', s.description, undefined),
    seed: section('seed', s.seed, 0),
    accept: section('accept', s.accept, undefined),
    budget: { candidates: budget.candidates, tokens: budget.tokens, money: budget.money, requestBytes: budget.requestBytes },
    task: {
      size: task.size,
      deadlineMs: durationMs(task.deadline) ?? durationMs(DEFAULT_DEADLINE) ?? 0,
      everyMs: task.every === undefined ? undefined : durationMs(task.every),
      memoryBytes: task.memory === undefined ? undefined : byteCount(task.memory),
    },
    block: section('block', s.block, s.block.parse(undefined)),
    partitions: section('partitions', s.partitions, s.partitions.parse(undefined)),
    nodes: section('nodes', s.nodes, 1),
    retention: retentionOf(section('retention', s.retention, undefined)),
    data: Object.fromEntries(Object.entries(data).map(([name, source]) => [name, dataSourceOf(source)])),
    models: Object.fromEntries(Object.entries(models).map(([name, model]) => [name, modelOf(model)])),
    sources: Object.fromEntries(Object.entries(sources).map(([name, source]) => [name, addressOf(source)])),
    generate: steps(value['generate'], 'generate', locate, problems),
    verify: steps(value['verify'], 'verify', locate, problems),
    publish: { fields: publish.fields, storage: publish.storage, topic: publish.topic, url: publish.url },
  };
  return { spec, problems };
}

function retentionOf(
  retention: { readonly bytes?: string | undefined; readonly time?: string | undefined } | undefined,
): Retention | undefined {
  if (retention === undefined) return undefined;
  const { bytes, time } = retention;
  return {
    ...(bytes === undefined ? {} : { bytes: byteCount(bytes) }),
    ...(time === undefined ? {} : { ms: durationMs(time) }),
  };
}

/** A missing section is missing in the document, not in itself. */
function nameTheSection(name: string): (problem: Problem) => Problem {
  return (problem) =>
    problem.path === name && problem.message === 'A value is missing'
      ? { ...problem, message: `'${name}' is missing`, hint: MISSING_HINTS[name] ?? `add \`${name}: …\`` }
      : { ...problem, message: problem.message.replace(/^The value /, `'${name}' `) };
}

const MISSING_HINTS: Readonly<Record<string, string>> = {
  mizu: 'add `mizu: 1` as the first line',
  name: 'add `name: my-workflow`',
  generate: 'add `generate:` with at least one step',
};

function isMap(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type ValueOf<S extends z.ZodType> = z.output<S> extends Record<string, infer V> ? V : never;

/** A map whose entries are checked one by one, so that a wrong one hides none of the others. */
function entries<S extends typeof WORKFLOW_SECTIONS.data | typeof WORKFLOW_SECTIONS.models | typeof WORKFLOW_SECTIONS.sources>(
  value: Json | undefined,
  schema: S,
  name: string,
  locate: Locate,
  problems: Problem[],
): Record<string, ValueOf<S>> {
  const good: Record<string, ValueOf<S>> = {};
  const parts: readonly (Json | undefined)[] = isMap(value) ? Object.entries(value).map(([key, entry]) => ({ [key]: entry })) : [value];
  for (const part of parts) {
    const result = schema.safeParse(part, { reportInput: true });
    if (result.success) Object.assign(good, result.data);
    else problems.push(...explainIssues({ schema, error: result.error, path: name, locate }).map(nameTheSection(name)));
  }
  return good;
}

function dataSourceOf(source: ValueOf<typeof WORKFLOW_SECTIONS.data>): DataSource {
  return 'list' in source ? { kind: 'list', from: source.list } : { kind: 'map', from: source.map };
}

export function modelOf(model: ValueOf<typeof WORKFLOW_SECTIONS.models>): ModelSpec {
  return {
    url: model.url,
    ...(model.model === undefined ? {} : { model: model.model }),
    ...(model.keyEnv === undefined ? {} : { keyEnv: model.keyEnv }),
    ...(model.calls === undefined ? {} : { calls: model.calls }),
    ...(model.timeout === undefined ? {} : { timeoutMs: durationMs(model.timeout) ?? 0 }),
    ...(model.price === undefined ? {} : { price: model.price }),
  };
}

function addressOf(source: ValueOf<typeof WORKFLOW_SECTIONS.sources>): SourceAddress {
  return {
    from: source.from,
    ...(source.url === undefined ? {} : { url: source.url }),
    ...(source.topic === undefined ? {} : { topic: source.topic }),
    ...(source.registry === undefined ? {} : { registry: source.registry }),
  };
}

function steps(value: Json | undefined, name: 'generate' | 'verify', locate: Locate, problems: Problem[]): StepSpec[] {
  if (value === undefined && name === 'verify') return [];
  const at = locate(name);
  if (!Array.isArray(value)) {
    const missing = value === undefined;
    problems.push(
      problemAt(name, at, missing ? `'${name}' is missing` : `'${name}' is ${kindOf(value)}`, {
        expected: 'a list of steps',
        hint: missing ? MISSING_HINTS[name] : 'begin each step with `- `',
      }),
    );
    return [];
  }
  if (value.length === 0 && name === 'generate')
    problems.push(problemAt(name, at, "'generate' has no step", { expected: 'at least one step' }));
  if (value.length > STEPS_LIMIT)
    problems.push(problemAt(name, at, `'${name}' has ${value.length} steps`, { expected: `at most ${STEPS_LIMIT}` }));
  return value.slice(0, STEPS_LIMIT).map((step: Json, i) => stepOf(step, `${name}[${i}]`, locate, problems));
}

function stepOf(step: Json, path: string, locate: Locate, problems: Problem[]): StepSpec {
  const broken: StepSpec = { operator: '', params: null, path };
  if (typeof step === 'string' && step !== '') return { operator: step, params: {}, path };
  if (!isMap(step) || !stepShape.safeParse(step).success) {
    problems.push(
      problemAt(path, locate(path), `The step is ${kindOf(step)}`, {
        expected: 'one operator with its parameters',
        hint: 'write a step as `- length: { field: body, min: 10 }`',
      }),
    );
    return broken;
  }
  const [operator, second] = Object.keys(step);
  if (!operator || second !== undefined) {
    const message =
      operator === undefined
        ? 'The step is empty'
        : second === undefined
          ? 'The step names no operator'
          : `The step has ${Object.keys(step).length} keys: ${shorten(Object.keys(step).join(', '))}`;
    problems.push(
      problemAt(path, locate(second === undefined ? path : childPath(path, second), 'key'), message, {
        expected: 'one operator with its parameters',
        hint: 'begin each operator with `- ` on a line of its own, and indent its parameters below it',
      }),
    );
    return broken;
  }
  return { operator, params: step[operator] ?? {}, path: childPath(path, operator) };
}
