/**
 * From a workflow to a program: reads it, loads its data, plans its steps, cuts stages. Throws one WORKFLOW_INVALID with every
 * problem, sorted by position, before any work starts (law 10). The same workflow gives the same program (law 1, P5).
 */
import type { Problem } from '../contract/errors.ts';
import { invariant } from '../contract/errors.ts';
import type { DigestHex } from '../contract/ids.ts';
import type { Registry } from '../contract/operator.ts';
import type { Budget, Deployment, ModelAddress, Program, ProgramData } from '../contract/program.ts';
import type { DataSet } from '../contract/storage.ts';
import type { Schema } from '../contract/types.ts';
import { canonicalJson } from '../proof/jcs.ts';
import { childPath, parsePath } from '../workflow/document-path.ts';
import { loadDataSet } from '../workflow/load-data-set.ts';
import { nearestOrAll } from '../workflow/nearest.ts';
import { checkDocument, parseWorkflow, workflowError } from '../workflow/parse-workflow.ts';
import type { Locate } from '../workflow/place.ts';
import { problemAt, shorten, sortProblems } from '../workflow/place.ts';
import type { ModelSpec, WorkflowSpec } from '../workflow/workflow-schema.ts';
import { checkBounds } from './check-bounds.ts';
import type { Compiled, CompileHost, CompileInput } from './compile-host.ts';
import { cutStages } from './cut-stages.ts';
import { engineDrift } from './engine-check.ts';
import { isHidden, SOURCE_FIELD } from './kernel-fields.ts';
import { planBudget, priceOf } from './plan-budget.ts';
import type { PlanResult } from './plan-steps.ts';
import { planSteps } from './plan-steps.ts';
import { programDigest } from './program-digest.ts';

/** @throws WORKFLOW_INVALID with every problem that could be found. */
export async function compileWorkflow(input: CompileInput, host: CompileHost, registry: Registry): Promise<Compiled> {
  const parsed = 'text' in input ? parseWorkflow(input.text, input.file, input.sets) : checkDocument(input.spec, input.file, input.sets);
  const { spec, locate } = parsed;
  if (spec === undefined) throw workflowError(parsed.problems, input.file);
  const problems: Problem[] = [...parsed.problems];
  const loaded = await loadData(spec, locate, host, problems);
  for (const name of brokenNames(parsed.problems, 'data')) if (!loaded.has(name)) loaded.set(name, undefined);
  const plan = await planSteps({
    spec,
    registry,
    host,
    locate,
    data: loaded,
    dataKnown: !parsed.problems.some((problem) => problem.path === 'data'),
    models: [...Object.keys(spec.models), ...brokenNames(parsed.problems, 'models')],
  });
  // A value that could not be read stands as null: what that breaks is no problem of its own.
  const unread = new Set(parsed.problems.map((problem) => problem.path));
  problems.push(...plan.problems.filter((problem) => !unread.has(problem.path)));
  const published = publishedSchema(spec, plan, locate, problems);
  const bounds = checkBounds(spec, plan, locate);
  problems.push(...bounds.problems);
  problems.push(...(await driftingEngines(plan, locate)));
  const budget = planBudget(spec, plan, locate);
  problems.push(...budget.problems);
  const stages = cutStages({
    ops: plan.ops,
    input: plan.source === undefined && plan.topic === undefined ? [] : [SOURCE_FIELD],
    published,
    partitions: spec.partitions,
    accept: spec.accept !== undefined,
    problem: (path, message, details) => problems.push(problemAt(path, locate(path, 'key'), message, { value: '', ...details })),
  });
  if (problems.length > 0) throw workflowError(problems, input.file);
  invariant(!plan.uncertain, 'a step planned nothing and reported nothing');
  const used = [...loaded].flatMap(([name, data]) => (data !== undefined && plan.usedData.has(name) ? [[name, data] as const] : []));
  const program = assemble(spec, plan, stages, published, used, budget.budget);
  return {
    program,
    digest: programDigest(program),
    deployment: deploymentOf(spec),
    data: new Map<DigestHex, DataSet>(used.map(([, data]) => [data.digest, data])),
    ...(plan.source === undefined ? {} : { sourceRequest: plan.source.request }),
    warnings: sortProblems([
      ...bounds.warnings,
      ...budget.warnings,
      ...plan.warnings,
      ...unusedData(loaded, plan, locate),
      ...unusedSources(spec, plan, locate),
    ]),
    gas: new Map(plan.ops.map((op) => [op.spec.id, op.gas])),
  };
}

/** Simulators that compute other bytes here than elsewhere: what they make would be refused by every replay (law 1). */
async function driftingEngines(plan: PlanResult, locate: Locate): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const { engine, path, spec } of plan.ops) {
    const drift = engine === undefined ? undefined : await engineDrift(engine);
    if (engine === undefined || drift === undefined) continue;
    problems.push(
      problemAt(
        path,
        locate(path, 'key'),
        `The simulator '${engine.name}' of step '${spec.id}' computes other results on this machine than on others`,
        {
          value: shorten(canonicalJson(drift.got)),
          expected: shorten(canonicalJson(drift.expected)),
          hint: 'this machine can be no node for it: see `mizu doctor`, and install the packages of Mizu anew, or use another machine',
        },
      ),
    );
  }
  return problems;
}

/** Entries of a section that are wrong, so that steps which name them are not told that there is no such name. */
function brokenNames(problems: readonly Problem[], section: string): string[] {
  return problems.flatMap((problem) => {
    const [first, name] = parsePath(problem.path) ?? [];
    return first === section && typeof name === 'string' ? [name] : [];
  });
}

async function loadData(
  spec: WorkflowSpec,
  locate: Locate,
  host: CompileHost,
  problems: Problem[],
): Promise<Map<string, DataSet | undefined>> {
  const loaded = new Map<string, DataSet | undefined>();
  for (const [name, source] of Object.entries(spec.data)) {
    const load = await loadDataSet(source, childPath('data', name), locate, (path) => host.readFile(path));
    problems.push(...load.problems);
    loaded.set(name, load.data);
  }
  return loaded;
}

function publishedSchema(spec: WorkflowSpec, plan: PlanResult, locate: Locate, problems: Problem[]): Schema {
  const visible = plan.schema.filter((field) => !isHidden(field.name));
  const report = (path: string, message: string, hint: string): void =>
    void problems.push(problemAt(path, locate(path), message, { hint }));
  if (spec.publish.url !== undefined && spec.publish.topic === undefined)
    report('publish.url', 'Which topic there takes the records is not said', 'add `topic: NAME`, or leave the address out');
  if (spec.publish.fields === undefined) {
    if (visible.length === 0 && !plan.uncertain && problems.length === 0)
      report(
        'generate',
        'No step makes a field, so there is nothing to publish',
        'add a step such as select, template, simulate or a source',
      );
    return visible;
  }
  const seen = new Set<string>();
  return spec.publish.fields.flatMap((name, i) => {
    const path = `publish.fields[${i}]`;
    const field = visible.find((candidate) => candidate.name === name);
    if (seen.has(name)) report(path, `The field '${name}' stands twice`, 'remove one');
    else if (field === undefined && !plan.uncertain)
      report(
        path,
        `There is no field '${name}' to publish`,
        nearestOrAll(
          name,
          visible.map((f) => f.name),
          'fields',
        ),
      );
    const fresh = !seen.has(name);
    seen.add(name);
    return field === undefined || !fresh ? [] : [field];
  });
}

function assemble(
  spec: WorkflowSpec,
  plan: PlanResult,
  stages: Program['stages'],
  published: Schema,
  used: readonly (readonly [string, DataSet])[],
  budget: Budget,
): Program {
  return {
    mizu: 1,
    seed: spec.seed,
    ...(spec.accept === undefined ? {} : { accept: spec.accept }),
    budget,
    task: { size: spec.task.size },
    block: spec.block,
    ...sourceOf(plan),
    data: Object.fromEntries(used.map(([name, data]) => [name, dataOf(data)])),
    stages,
    published,
  };
}

function sourceOf({ source, topic }: PlanResult): Pick<Program, 'source'> {
  if (topic !== undefined) {
    const { topic: name, format, ingest, until } = topic;
    return { source: { kind: 'topic', name, format, ingest, ...(until === undefined ? {} : { until }) } };
  }
  if (source === undefined) return {};
  const { format, records, digest } = source.info;
  return { source: { format, records, digest } };
}

function dataOf(data: DataSet): ProgramData {
  return { kind: data.kind, type: data.type, size: data.values.length, digest: data.digest };
}

function deploymentOf(spec: WorkflowSpec): Deployment {
  const { everyMs, memoryBytes } = spec.task;
  const { topic, url } = spec.publish;
  return {
    name: spec.name,
    nodes: spec.nodes,
    deadlineMs: spec.task.deadlineMs,
    models: Object.fromEntries(Object.entries(spec.models).map(([name, model]) => [name, addressOf(model)])),
    storage: spec.publish.storage,
    ...(spec.retention === undefined ? {} : { retention: spec.retention }),
    ...(Object.keys(spec.sources).length === 0 ? {} : { sources: spec.sources }),
    ...(topic === undefined ? {} : { publish: { topic, ...(url === undefined ? {} : { url }) } }),
    ...(everyMs === undefined ? {} : { cutEveryMs: everyMs }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  };
}

function addressOf({ price, ...address }: ModelSpec): ModelAddress {
  return price === undefined ? address : { ...address, price: { ...priceOf(price), currency: price.currency } };
}

function unusedData(loaded: ReadonlyMap<string, DataSet | undefined>, plan: PlanResult, locate: Locate): Problem[] {
  return [...loaded.keys()]
    .filter((name) => !plan.usedData.has(name))
    .map((name) => {
      const path = childPath('data', name);
      return problemAt(path, locate(path, 'key'), `No step uses the data '${name}'`, { value: '', hint: 'it is left out of the program' });
    });
}

function unusedSources(spec: WorkflowSpec, plan: PlanResult, locate: Locate): Problem[] {
  return Object.keys(spec.sources)
    .filter((name) => name !== plan.topic?.topic)
    .map((name) => {
      const path = childPath('sources', name);
      const hint = plan.topic === undefined ? 'a step such as `- read: { topic: … }` reads it' : `the workflow reads '${plan.topic.topic}'`;
      return problemAt(path, locate(path, 'key'), `No step reads the topic '${name}'`, { value: '', hint });
    });
}
