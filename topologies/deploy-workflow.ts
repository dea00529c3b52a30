/**
 * Compile → check → plan → deploy, for a log whose roles are played by other processes. Everything that can be found wrong is found before
 * anything is written: the key, the topic that is read, the schema that is published.
 */
import { existsSync } from 'node:fs';
import type { ControlTail, Deployment, DeployPlan, Log, OperatedRun, RollCall, RunName, SchemaRegistry } from '#engine';
import {
  askDrain,
  deploy,
  isManned,
  MizuError,
  NODE_LIMIT,
  openControl,
  planDeploy,
  programChanged,
  RunTopics,
  rollCall,
  settingsRequest,
  tookSettings,
  undrained,
} from '#engine';
import { checkSink } from './check-sink.ts';
import type { CompiledFile } from './compile-file.ts';
import { openExternal } from './open-external.ts';
import { keyFileOf, openSigner } from './open-log.ts';
import { checkPublishedSchema, publishedSchema, registryOf, verifiedSubject } from './published-schema.ts';
import { checkModelKeys, type Environment } from './run-gateway.ts';
import { checkTopic } from './sample-topic.ts';

/** How long to wait for the roles of a run to be played: a process that serves the log looks for new runs every second. Milliseconds. */
const ROLL_CALL_MS = 6_000;

export interface DeployOptions {
  readonly log: Log;
  /** Nodes to employ; default: as the workflow says. */
  readonly nodes?: number | undefined;
  readonly keyFile?: string | undefined;
  readonly newGeneration: boolean;
  /** For keys of models and the registry. */
  readonly env: Environment;
  /** Who deploys, for people. */
  readonly by: string;
  readonly signal: AbortSignal;
}

/** What a deployment would do, checked. */
export interface PlannedDeploy {
  readonly plan: DeployPlan;
  /** What is allowed and should be known. */
  readonly notes: readonly string[];
  /** Older generations that will be asked to drain. */
  readonly drains: readonly RunName[];
  /** Why the schema registry refuses it, field by field: then nothing can be deployed. */
  readonly refusal: MizuError | undefined;
}

export interface DeployedWorkflow {
  readonly run: RunName;
  readonly drained: readonly RunName[];
  /** Which roles are played, once all are or ROLL_CALL_MS have passed. */
  readonly roles: RollCall;
  /** Of changed settings: whether an orchestrator works under them. */
  readonly taken: boolean;
}

/** Writes nothing, on the log or in the registry. @throws KEY_INVALID, NOT_FOUND for a topic, REGISTRY_UNAVAILABLE, and what the log throws. */
export async function planWorkflow(workflow: CompiledFile, options: DeployOptions): Promise<PlannedDeploy> {
  const { log, env } = options;
  await checkSink(log, workflow, { writes: false });
  await checkTopic(workflow, openExternal(log, env));
  const plan = await planDeploy(log, { ...workflow, deployment: settingsOf(workflow, options) });
  const drains = await undrained(log, plan.run);
  const signer = existsSync(keyFileOf(log, options.keyFile)) ? openSigner(log, options.keyFile) : undefined;
  if (signer !== undefined) {
    const open = plan.current === undefined || plan.kind === 'changed' ? [] : [plan.run];
    for (const run of [...open, ...drains]) await openControl({ log, run, signer });
  }
  const refusal = await schemaRefusal(workflow, plan, options);
  const notes = [...modelNotes(workflow, env), ...schemaNotes(plan, options)];
  if (plan.deployment.retention !== undefined && log.retain === undefined)
    notes.push('This log is a folder, which forgets nothing: retention has no effect here');
  if (plan.deployment.nodes > NODE_LIMIT)
    notes.push(`At most ${NODE_LIMIT} nodes take part in one run; nodes says ${plan.deployment.nodes}`);
  return { plan, notes, drains, refusal };
}

/** @throws PROGRAM_CHANGED, SCHEMA_INCOMPATIBLE; what `planWorkflow` and `deploy` throw. Can be repeated at any point. */
export async function deployWorkflow(workflow: CompiledFile, options: DeployOptions): Promise<DeployedWorkflow> {
  const { log, env, signal, by, newGeneration } = options;
  const { plan, drains, refusal } = await planWorkflow(workflow, options);
  if (refusal !== undefined) throw refusal;
  if (plan.kind === 'changed' && plan.current !== undefined && !newGeneration) throw programChanged(plan.current, workflow.digest);
  const signer = openSigner(log, options.keyFile);
  const registry = registryOf(env);
  const run = await deploy(log, {
    program: workflow.program,
    digest: workflow.digest,
    deployment: settingsOf(workflow, options),
    data: workflow.data.values(),
    source: await workflow.source(),
    openExternal: openExternal(log, env),
    newGeneration,
    registerSchema: registry === undefined ? undefined : () => register(registry, workflow, log, plan.run),
    beside: (changed) => [settingsRequest({ signer }, changed, plan.deployment)],
    signal,
  });
  for (const older of drains) await askDrain({ log, run: older, signer, by, signal });
  return { run, drained: drains, ...(await callRoll(workflow, { log, run, signer, by, signal }, plan)) };
}

function settingsOf({ deployment }: CompiledFile, { nodes }: DeployOptions): Deployment {
  return nodes === undefined ? deployment : { ...deployment, nodes };
}

function register(registry: SchemaRegistry, { program, deployment }: CompiledFile, log: Log, run: RunName): Promise<number> {
  return registry.register(verifiedSubject(log, run), publishedSchema(deployment.name, program));
}

/** The key belongs to whoever plays the gateway, which need not be this machine. */
function modelNotes(workflow: CompiledFile, env: Environment): string[] {
  try {
    checkModelKeys(workflow, env);
    return [];
  } catch (error) {
    if (!(error instanceof MizuError) || error.problems.length === 0) throw error;
    return error.problems.map(({ message }) => `${message} here; the process with the role gateway needs it`);
  }
}

/** Why the registry would not take the schema of a new generation. What else goes wrong with it says nothing of the schema, and is thrown. */
async function schemaRefusal(
  { program }: CompiledFile,
  { kind, run, current, deployment }: DeployPlan,
  { env, log }: DeployOptions,
): Promise<MizuError | undefined> {
  const registry = registryOf(env);
  if (registry === undefined || (kind !== 'new' && kind !== 'changed')) return undefined;
  try {
    await checkPublishedSchema(registry, log, publishedSchema(deployment.name, program), run, current);
    return undefined;
  } catch (error) {
    if (error instanceof MizuError && error.code === 'SCHEMA_INCOMPATIBLE') return error;
    throw error;
  }
}

function schemaNotes({ kind, run, deployment }: DeployPlan, { env }: DeployOptions): string[] {
  if (registryOf(env) === undefined || kind === 'new' || kind === 'changed' || deployment.schemaId !== undefined) return [];
  return [`${run.name}/${run.generation} was deployed without a registry, so its records name no schema of one; a new generation would`];
}

/** Waits until somebody plays each role that the run needs, or for ROLL_CALL_MS. */
async function callRoll(
  { program }: CompiledFile,
  place: OperatedRun,
  { kind, deployment }: DeployPlan,
): Promise<Pick<DeployedWorkflow, 'roles' | 'taken'>> {
  const control: ControlTail = await openControl(place);
  const { log, run } = place;
  const until = AbortSignal.any([place.signal, AbortSignal.timeout(ROLL_CALL_MS)]);
  const begin = await log.end(new RunTopics(run).control, 0);
  let moved = false;
  const call = (): RollCall => rollCall(control.fold, program, deployment.nodes, moved);
  const taken = (): boolean => kind !== 'compatible' || tookSettings(control.fold, deployment);
  while (control.fold.close === undefined && !(isManned(call()) && taken())) {
    if (!(await control.turn(until))) break;
    moved ||= (await log.end(new RunTopics(run).control, 0)) > begin;
  }
  return { roles: call(), taken: taken() };
}
