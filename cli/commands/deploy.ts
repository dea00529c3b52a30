/** `mizu deploy FILE`: puts a workflow on a log for the processes that serve it, and says first what that changes (P12). */
import type { DeployPlan, Json, Log, RollCall } from '#engine';
import { MizuError, programChanged } from '#engine';
import { checkSink, compileFile, type DeployedWorkflow, deployWorkflow, openLog, type PlannedDeploy, planWorkflow } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { programLines, settingLines } from '../diff-text.ts';
import { columns, grouped } from '../format.ts';
import { operatorName } from '../operator.ts';
import { ownCommand } from '../own-command.ts';

/** Settings that hold at once, taken over by a live orchestrator or by the log; the others are read when a process takes a run up. */
const LIVE_SETTINGS: readonly string[] = ['nodes', 'deadlineMs', 'memoryBytes', 'retention'];

export interface DeployCommandOptions {
  readonly set: readonly string[];
  readonly nodes?: number;
  readonly newGeneration?: boolean;
  readonly dryRun?: boolean;
  readonly key?: string;
}

export async function deploy(context: Context, file: string, options: DeployCommandOptions): Promise<Outcome> {
  const workflow = await compileFile(file, options.set, process.env);
  const log = await openFor(context, options.dryRun === true);
  if (log === undefined) {
    const { name } = workflow.deployment;
    await checkSink({ address: context.log }, workflow, { writes: false });
    await context.out.text(`${name}/1: a new run, on a new log`);
    return { result: { ok: true, dryRun: true, name, generation: 1, kind: 'new', program: workflow.digest, notes: [] } };
  }
  try {
    const settings = {
      log,
      nodes: options.nodes,
      keyFile: options.key,
      newGeneration: options.newGeneration ?? false,
      env: (name: string) => process.env[name],
      by: operatorName(),
      signal: context.signal,
    };
    const planned = await planWorkflow(workflow, settings);
    const { plan } = planned;
    await context.out.text(planText(planned, options));
    if (planned.refusal !== undefined) return refused(planned.refusal, planJson(planned, workflow.digest));
    for (const note of planned.notes) context.progress.note(`note: ${note}`);
    if (options.dryRun === true) return { result: { ok: true, dryRun: true, ...planJson(planned, workflow.digest) } };
    if (plan.kind === 'changed' && plan.current !== undefined && !settings.newGeneration)
      return refused(programChanged(plan.current, workflow.digest), planJson(planned, workflow.digest));
    context.progress.update(() => 'Deploying, and waiting for the roles to be played…');
    const done = await deployWorkflow(workflow, settings);
    context.progress.clear();
    await context.out.text(deployedText(context, plan, done));
    return { result: { ok: true, dryRun: false, ...planJson(planned, workflow.digest), roles: { ...done.roles }, taken: done.taken } };
  } finally {
    await log.close();
  }
}

/** The difference is shown whether or not it may be deployed; why not is shown like every error, and stands beside the plan in the result. */
async function refused(refusal: MizuError, plan: Outcome['result']): Promise<Outcome> {
  const { renderError } = await import('../render-error.ts');
  const { text, result, exitCode } = renderError(refusal, false);
  process.stderr.write(`${text}\n`);
  return { exitCode, result: { ...plan, ...result } };
}

/** A dry run makes no log; undefined where there is none yet. */
async function openFor(context: Context, dryRun: boolean): Promise<Log | undefined> {
  try {
    return await openLog(context.log, { readOnly: dryRun });
  } catch (error) {
    if (dryRun && error instanceof MizuError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

function planText({ plan, drains, refusal }: PlannedDeploy, options: DeployCommandOptions): string {
  const { kind, run, current } = plan;
  const title = `${run.name}/${run.generation}`;
  const there = current === undefined ? '' : `${current.name}/${current.generation}`;
  const lines: string[] = [];
  if (kind === 'new') lines.push(`${title}: a new run`);
  else if (kind === 'same') lines.push(`${title} is this program under these settings; nothing changes`);
  else if (kind === 'compatible') lines.push(`${title} keeps its program; settings change:`, ...indented(settingLines(plan.settings)));
  else {
    const fate = options.newGeneration === true ? `this one is a new generation, ${title}` : 'a changed program is a new generation';
    lines.push(`The program differs from that of ${there}; ${fate}:`);
    if (plan.program !== undefined) lines.push(...indented(programLines(plan.program)));
    if (plan.settings.length > 0) lines.push('Settings:', ...indented(settingLines(plan.settings)));
  }
  if (refusal !== undefined) lines.push('Refused: consumers of the published records could not follow');
  else if (kind !== 'changed' || options.newGeneration === true)
    for (const older of drains)
      lines.push(`${older.name}/${older.generation} is asked to drain: it finishes what it has begun, and closes`);
  return lines.join('\n');
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function deployedText(context: Context, { kind, settings }: DeployPlan, { run, roles, taken }: DeployedWorkflow): string {
  const title = `${run.name}/${run.generation}`;
  const did = { new: 'is deployed', same: 'stands as it did', compatible: 'has its new settings', changed: 'is deployed' }[kind];
  const missing = missingRoles(roles);
  const lines = [`${title} ${did}.`];
  if (!taken) lines.push('No orchestrator works under them yet; the next one takes them over.');
  const later = kind === 'compatible' ? settings.map(({ path }) => path).filter((path) => !LIVE_SETTINGS.includes(sectionOf(path))) : [];
  if (later.length > 0)
    lines.push(
      `For ${later.join(', ')}, that is so in processes that take the run up from now on: stop and resume it, or start them again.`,
    );
  lines.push(columns(roleRows(roles), [], '  '));
  if (missing.length === 4 || (missing.length === 3 && !roles.asks)) {
    lines.push(`Nobody works on it yet: start \`${ownCommand(context, 'up')}\` on one machine or several.`);
  } else if (missing.length > 0) {
    lines.push(`Still missing: \`${ownCommand(context, 'up', '--roles', missing.join(','))}\``);
  }
  lines.push('', 'Next:', `  ${ownCommand(context, 'status', run.name, '--watch')}`);
  return lines.join('\n');
}

function sectionOf(path: string): string {
  return path.split(/[.[]/, 1)[0] ?? path;
}

function roleRows(roles: RollCall): string[][] {
  const played = (is: boolean): string => (is ? 'there' : 'missing');
  return [
    ['orchestrator', played(roles.orchestrator)],
    ['nodes', `${grouped(roles.nodes)} of at most ${grouped(roles.employed)}`],
    ['checkpointer', played(roles.checkpointer)],
    ...(roles.asks ? [['gateway', played(roles.gateway)]] : []),
  ];
}

function missingRoles(roles: RollCall): string[] {
  return [
    ...(roles.orchestrator ? [] : ['orchestrator']),
    ...(roles.nodes > 0 && roles.steps ? [] : ['node']),
    ...(roles.checkpointer ? [] : ['checkpointer']),
    ...(!roles.asks || roles.gateway ? [] : ['gateway']),
  ];
}

function planJson({ plan, notes, drains }: PlannedDeploy, digest: string): { readonly [key: string]: Json } {
  const { run, kind, current, settings, program } = plan;
  return {
    ...run,
    kind,
    program: digest,
    current: current === undefined ? null : { generation: current.generation, program: current.digest },
    settings: settings.map((change): Json => ({ ...change })),
    difference: program === undefined ? null : (JSON.parse(JSON.stringify(program)) as Json),
    drains: drains.map(({ generation }) => generation),
    notes: [...notes],
  };
}
