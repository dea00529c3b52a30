/**
 * Plays a plan: deploys a run, lets consumers read while faults hit the processes that work on it, and judges what is left. The judgement (law 4): the run closes
 * within a bound; its root and its records are those of an undisturbed run; every consumer saw each of them once and in order; `audit` and `verify` find nothing.
 */
import { rmSync } from 'node:fs';
import { openEmbeddedLog } from '#connectors/embedded';
import type { RunSummary } from '#engine';
import { auditRun, readRun, RunTopics, verifyRun } from '#engine';
import { compileFile, openExternal, runWorkflow } from '#topologies';
import { quickFolder } from '../../support/run-support.ts';
import { ControlWatch } from './control-watch.ts';
import { PARTITIONS, tasksOf } from './flows.ts';
import { inject } from './inject.ts';
import { Pace } from './pace.ts';
import { type Plan, plannedMs, planText } from './plan.ts';
import { type Consumer, consumeKafka, consumeLog, readSeen, type Seen, sleep } from './readers.ts';
import { openStage, type Stage } from './stage.ts';

/** After the last fault the run has so long to close. */
const CLOSE_MS = 240_000;
/** A consumer is behind the run by so much at most, once it is closed. */
const BEHIND_MS = 30_000;
/** Faults begin when the run is at work: so many tasks are cut. */
const AT_WORK_TASKS = 20;

export interface Played {
  readonly plan: Plan;
  /** What is wrong; empty when all laws held. */
  readonly problems: readonly string[];
  /** Faults that met the run alive. */
  readonly met: number;
  readonly seconds: number;
  readonly records: number;
}

export async function play(plan: Plan, note: (text: string) => void): Promise<Played> {
  const began = Date.now();
  const stamped = (text: string): void => note(`  ${((Date.now() - began) / 1000).toFixed(1)} s ${text}`);
  note(planText(plan));
  const stage = await openStage(plan, stamped);
  const problems: string[] = [];
  let met = 0;
  let records = 0;
  let pace: Pace | undefined;
  try {
    const undisturbed = await runUndisturbed(stage);
    stamped('the undisturbed run is done');
    const consumers = await openConsumers(stage);
    for (const actor of stage.actors.values()) actor.start();
    const control = new ControlWatch(stage);
    if (!(await control.until(() => control.cut >= AT_WORK_TASKS, CLOSE_MS))) problems.push('the run did not begin');
    pace = new Pace(stage, control, tasksOf(plan), plannedMs(plan.faults));
    for (const { afterMs, fault } of plan.faults) {
      pace.begin(plannedMs([{ afterMs, fault }]));
      await sleep(afterMs);
      await control.look();
      if (control.summary !== undefined) {
        problems.push(`the run was over before ${fault.type} came, fault ${met + 1} of ${plan.faults.length}`);
        break;
      }
      stamped(`${fault.type} at task ${control.cut}`);
      met++;
      problems.push(...(await inject(stage, control, fault)));
    }
    await pace.end();
    stamped(`no more faults at task ${control.cut}`);
    if (!(await control.until(() => control.summary !== undefined, CLOSE_MS)))
      problems.push(`the run did not close within ${CLOSE_MS / 1000} s; ${control.cut} tasks are cut\n${tails(stage)}`);
    else stamped(`the run is closed at task ${control.cut}`);
    problems.push(...(await endAll(stage)));
    records = undisturbed.seen.flat().length;
    problems.push(...(await judge(stage, control.summary, undisturbed, consumers)));
  } finally {
    await pace?.end();
    for (const actor of stage.actors.values()) await actor.kill();
    await stage.close();
  }
  return { plan, problems, met, seconds: (Date.now() - began) / 1000, records };
}

interface Undisturbed {
  readonly summary: RunSummary;
  readonly seen: Seen;
}

/** The same workflow over the same source, on one machine, with nothing in its way. */
async function runUndisturbed(stage: Stage): Promise<Undisturbed> {
  const directory = quickFolder();
  const log = await openEmbeddedLog({ directory });
  try {
    const summary = await runWorkflow(await compileFile(stage.workflow), { log, workers: 2, signal: new AbortController().signal });
    const seen = await readSeen(log, new RunTopics({ name: summary.name, generation: 1 }).verified, PARTITIONS_OF(stage));
    return { summary, seen };
  } finally {
    await log.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** An exact count publishes from one partition. */
const PARTITIONS_OF = ({ run }: Stage): number => run.program.stages.at(-1)?.partitions ?? PARTITIONS;

async function openConsumers({ log, topics, cluster, run, plan }: Stage): Promise<readonly (readonly [string, Consumer])[]> {
  const partitions = run.program.stages.at(-1)?.partitions ?? 1;
  const own = ['a reader of the log', consumeLog(log, topics.verified, partitions)] as const;
  if (cluster === undefined) return [own];
  const topic = `net${plan.seed}.${topics.verified}`;
  return [own, ['a Kafka consumer', await consumeKafka(`127.0.0.1:${cluster.proxy.port}`, topic, partitions)]];
}

async function endAll({ actors }: Stage): Promise<string[]> {
  const problems: string[] = [];
  await Promise.all(
    [...actors.values()].map(async (actor) => {
      if (!(await actor.end())) problems.push(`${actor.name} did not end when it was told to\n${actor.tail()}`);
      problems.push(...actor.deaths);
    }),
  );
  return problems;
}

async function judge(
  stage: Stage,
  summary: RunSummary | undefined,
  undisturbed: Undisturbed,
  consumers: readonly (readonly [string, Consumer])[],
): Promise<string[]> {
  const { log, topics, run } = stage;
  const problems: string[] = [];
  const counts = undisturbed.seen.map((ids) => ids.length);
  for (const [name, consumer] of consumers) {
    await consumer.finish(counts, summary === undefined ? 0 : BEHIND_MS);
    problems.push(...consumer.troubles, ...differences(`${name} during the faults`, consumer.seen, undisturbed.seen));
  }
  if (summary === undefined) return problems;
  problems.push(...differences('a reader afterwards', await readSeen(log, topics.verified, counts.length), undisturbed.seen));
  for (const name of ['root', 'treeSize', 'candidates', 'accepted', 'duplicates', 'failed', 'gas'] as const)
    if (summary[name] !== undisturbed.summary[name])
      problems.push(`${name} is ${summary[name]}, of the undisturbed run ${undisturbed.summary[name]}`);
  const external = openExternal(log, () => undefined);
  const audit = await auditRun(log, run, { folder: stage.folder, external });
  problems.push(
    ...audit.findings.map((found) => `audit: ${found.kind} ${found.topic}/${found.partition} @${found.offset ?? '-'}: ${found.what}`),
  );
  const verified = await verifyRun(log, await readRun(log, run.run.name, 1), { verifierKey: summary.verifierKey, external });
  problems.push(...verified.problems.map(({ where, message }) => `verify: ${where}: ${message}`));
  return problems;
}

/** How what a consumer saw differs from what it should have seen; a few of them. */
function differences(who: string, seen: Seen, expected: Seen): string[] {
  const problems: string[] = [];
  for (const [partition, ids] of expected.entries()) {
    const got = seen[partition] ?? [];
    const at = ids.findIndex((id, n) => got[n] !== id);
    const first = at === -1 && got.length > ids.length ? ids.length : at;
    if (first === -1) continue;
    const twice = got.length - new Set(got).size;
    problems.push(
      `${who} saw ${got.length} records of partition ${partition}, ${twice} of them twice; ${ids.length} were expected. Number ${first} is ${got[first] ?? 'missing'}, expected ${ids[first] ?? 'none'}`,
    );
  }
  return problems;
}

function tails({ actors }: Stage): string {
  return [...actors.values()].map((actor) => `--- ${actor.name}\n${actor.tail()}`).join('\n');
}
