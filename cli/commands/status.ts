/** `mizu status NAME`: where a run stands, or what it came to; `--watch` follows it, `--explain` recomputes who was given a task. */
import type { DeployedRun, Json, Log, RunStatus } from '#engine';
import { explainStep, explainTask, explanationText, leaseText, MizuError, readStatus, RunWatch } from '#engine';
import { findRun, openExternal, openLog } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { bytesText } from '../format.ts';
import { LiveScreen } from '../live-screen.ts';
import { summaryText } from '../run-summary.ts';
import { doubtLines, standing, statusLine } from '../status-text.ts';

export interface StatusOptions {
  readonly watch?: boolean;
  readonly explain?: string;
}

export async function status(context: Context, name: string, options: StatusOptions): Promise<Outcome> {
  const log = await openLog(context.log, { readOnly: true });
  try {
    const run = await findRun(log, name);
    if (options.explain !== undefined) return await explain(context, log, run, options.explain);
    return await (options.watch === true ? watch(context, log, run) : once(context, log, run));
  } finally {
    await log.close();
  }
}

async function once(context: Context, log: Log, run: DeployedRun): Promise<Outcome> {
  const found = await readStatus(log, run, readOptions(context, log));
  const { bytes, limit } = await log.size();
  await context.out.text(textOf(context, found));
  await context.out.text(`  log ${context.log} holds ${bytesText(bytes)}${limit === undefined ? '' : ` of at most ${bytesText(limit)}`}`);
  return { result: { ...resultOf(found), logBytes: bytes } };
}

/** On a terminal the whole picture is drawn anew whenever the run moves; elsewhere it is one line each time; with `--json` one object. */
async function watch(context: Context, log: Log, run: DeployedRun): Promise<Outcome> {
  const followed = await RunWatch.open(log, run, readOptions(context, log));
  const screen = new LiveScreen(context.out);
  try {
    await followed.observe();
    for (;;) {
      const found = await followed.status();
      const text = (): string => textOf(context, found);
      if (found.summary !== undefined) await screen.show(text, text, true);
      if (found.summary !== undefined || context.interrupted) return { result: resultOf(found) };
      if (
        await screen.show(
          () => textOf(context, found),
          () => statusLine(found),
          false,
        )
      )
        await context.out.object(resultOf(found));
      await followed.next();
    }
  } finally {
    await followed.close();
  }
}

async function explain(context: Context, log: Log, run: DeployedRun, text: string): Promise<Outcome> {
  const step = /^([1-9]\d{0,3})\/(\d{1,4})(?:\/\d{1,15})?$/.exec(text);
  if (step !== null) return explainLease(context, log, run, { stage: Number(step[1]), partition: Number(step[2]) });
  const match = /^(?:0\/)?(\d{1,15})$/.exec(text);
  if (match === null) {
    throw new MizuError('USAGE', `--explain '${text}' names no task`, {
      component: '--explain',
      hint: 'Give 0/K for a task of the source stage, such as 0/17, or STAGE/PARTITION or STAGE/PARTITION/K for steps of a keyed stage, such as 1/0.',
    });
  }
  const explanations = await explainTask(log, run, Number(match[1]));
  const title = `${run.run.name}/${run.run.generation}`;
  if (explanations.length === 0)
    throw new MizuError('NOT_FOUND', `Task 0/${match[1]} of '${title}' was assigned to nobody`, {
      component: title,
      hint: `\`mizu status ${title}\` shows how many tasks there are, and why tasks wait.`,
    });
  await context.out.text(explanations.map(explanationText).join('\n\n'));
  return { result: { task: `0/${match[1]}`, attempts: explanations.map((one): Json => JSON.parse(JSON.stringify(one)) as Json) } };
}

/** Steps are not assigned one by one: whoever holds the lease of the partition takes them, in order. */
async function explainLease(
  context: Context,
  log: Log,
  run: DeployedRun,
  place: { readonly stage: number; readonly partition: number },
): Promise<Outcome> {
  const name = `${place.stage}/${place.partition}`;
  const title = `${run.run.name}/${run.run.generation}`;
  const found = await explainStep(log, run, place);
  if (found === undefined || found.grants === 0)
    throw new MizuError('NOT_FOUND', `${found === undefined ? `'${title}' has no partition` : `Nobody was ever given partition`} ${name}`, {
      component: title,
      hint: `\`mizu status ${title}\` shows its stages, with the partitions of each, and who has which.`,
    });
  const { grants, leases, held } = found;
  const more = grants > leases.length ? [`${grants} grants so far; the newest:`] : [];
  const gone = held ? [] : ['Its holder is gone, and nobody has it now.'];
  await context.out.text([...more, ...leases.map(leaseText), ...gone].join('\n\n'));
  return { result: { partition: name, grants, held, leases: leases.map((one): Json => JSON.parse(JSON.stringify(one)) as Json) } };
}

function readOptions(context: Context, log: Log): Parameters<typeof RunWatch.open>[2] {
  return { signal: context.signal, openExternal: openExternal(log, (name) => process.env[name]) };
}

function textOf(context: Context, found: RunStatus): string {
  const strong = (text: string): string => context.out.style('bold', text);
  if (found.summary === undefined) return standing(found, strong);
  return [summaryText(found.summary, undefined, strong), ...doubtLines(found)].join('\n');
}

function resultOf(found: RunStatus): { readonly [key: string]: Json } {
  const { summary, totals, ...rest } = JSON.parse(JSON.stringify(found)) as { readonly [key: string]: Json } & Pick<
    RunStatus,
    'totals' | 'summary'
  >;
  const { localBytes, globalBytes, usage: _usage, ...counts } = totals;
  const end = summary === undefined ? {} : { treeSize: summary.treeSize, root: summary.root, verifierKey: summary.verifierKey };
  const reports = summary === undefined ? {} : { reason: summary.reason, reports: summary.reports };
  return { ...rest, ...counts, bytes: { local: localBytes, global: globalBytes }, ...end, ...reports };
}
