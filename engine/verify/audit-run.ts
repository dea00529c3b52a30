/**
 * `mizu audit NAME`: an independent reader of every topic of a run, raw. It shares nothing with the roles but the log contract and the forms of
 * entries, so it finds what the roles themselves get wrong (laws 2, 4, 5, 12): lost, duplicated, torn and zombie writes. It works on a
 * run that is alive, up to the tasks that control has marked. What it has seen lies in a temporary file, so memory does not grow with the run.
 */
import type { Log } from '../contract/log.ts';
import { topicSource } from '../contract/program.ts';
import type { OpenExternal } from '../contract/source.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { openExternalSource } from '../runtime/source-context.ts';
import { RunTopics } from '../runtime/topics.ts';
import { AuditChecks } from './audit-checks.ts';
import { ControlAudit } from './audit-control.ts';
import { ControlSnapshotAudit } from './audit-control-snapshots.ts';
import { AuditFacts } from './audit-facts.ts';
import { type Finding, type FindingKind, FindingList } from './audit-findings.ts';
import type { AuditContext } from './audit-reader.ts';
import { ResultAudit } from './audit-results.ts';
import { checkSource, readCopy, readOutside } from './audit-source.ts';
import { readFrames, readKeyed, readOutcomes, readProofs, readSnapshots, readState } from './audit-topics.ts';

export interface AuditOptions {
  /** Folder for the temporary file. */
  readonly folder: string;
  /** Opens the topic that the run reads: every record of it must be in the run. Absent: the outside is not looked at. */
  readonly external?: OpenExternal | undefined;
}

export interface AuditReport {
  readonly ok: boolean;
  /** Whether the run is closed: then all of it was audited. */
  readonly closed: boolean;
  /** Tasks `from` to `to` − 1 were audited whole; of others, what stands there. */
  readonly tasks: { readonly from: number; readonly to: number };
  /** Entries read, by topic. */
  readonly entries: Readonly<Record<string, number>>;
  /** Records that came out. */
  readonly records: number;
  /** How many of each kind were found. */
  readonly counts: Readonly<Record<FindingKind, number>>;
  /** At most FINDING_LIMIT. */
  readonly findings: readonly Finding[];
}

/** @throws what the log and the outside topic throw. */
export async function auditRun(log: Log, run: DeployedRun, options: AuditOptions): Promise<AuditReport> {
  const facts = new AuditFacts(options.folder);
  const findings = new FindingList();
  const context: AuditContext = {
    log,
    topics: new RunTopics(run.run),
    title: `${run.run.name}/${run.run.generation}`,
    program: run.program,
    facts,
    findings,
    read: new Map(),
    forgotten: [],
  };
  try {
    const snapshots = new ControlSnapshotAudit(context);
    await snapshots.read();
    const control = new ControlAudit(context, snapshots);
    await control.pass();
    const { complete, finish, isClosed } = control;
    const results = new ResultAudit(context, control);
    await results.read();
    await readFrames(context);
    await readProofs(context);
    await readState(context);
    await readSnapshots(context);
    await readOutcomes(context);
    await readKeyed(context);
    const copied = await readCopy(context);
    if (options.external !== undefined) await outside(context, run, options.external, control);
    await results.read();
    // Whoever wrote what was read has his admission, assignment or lease in control by now.
    await control.pass();
    results.settle();
    const from = Math.min(keptFrom(context, control.window), complete);
    new AuditChecks(context, { kept: from, complete, settled: isClosed ? Number.MAX_SAFE_INTEGER : complete, last: finish?.last }).run();
    checkSource(context, run.source, control, { copied, exhausted: finish?.reason === 'exhausted', from, complete });
    let records = 0;
    for (const row of facts.rows('SELECT count(*) n FROM out')) records = Number(row['n']);
    return {
      ok: findings.total === 0,
      closed: isClosed,
      tasks: { from, to: complete },
      entries: Object.fromEntries(context.read),
      records,
      counts: findings.counts,
      findings: findings.list,
    };
  } finally {
    facts.close();
  }
}

async function outside(context: AuditContext, run: DeployedRun, open: OpenExternal, control: ControlAudit): Promise<void> {
  if (topicSource(run.program) === undefined || run.source === undefined) return;
  const topic = await openExternalSource(run, open);
  try {
    await readOutside(context, topic, run.source, control.cutTo);
  } finally {
    await topic.close();
  }
}

/** The first task of which the log forgot nothing: retention takes entries, and tasks of a window stand in any order. */
function keptFrom({ forgotten }: AuditContext, window: number): number {
  let from = 0;
  for (const { firstTask } of forgotten) from = Math.max(from, (firstTask ?? Number.MAX_SAFE_INTEGER - window) + window);
  return from;
}
