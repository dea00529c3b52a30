/** `mizu audit NAME`: reads every topic of a run raw and lists lost, duplicated, torn and zombie writes. */
import { tmpdir } from 'node:os';
import type { AuditReport, DeployedRun, Finding, Json } from '#engine';
import { auditRun } from '#engine';
import { findRun, openExternal, openLog } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { columns, grouped } from '../format.ts';

export interface AuditCommandOptions {
  readonly source?: boolean;
}

export async function audit(context: Context, name: string, options: AuditCommandOptions): Promise<Outcome> {
  const log = await openLog(context.log, { readOnly: true });
  try {
    const run = await findRun(log, name);
    const external = options.source === true ? openExternal(log, (variable) => process.env[variable]) : undefined;
    const report = await auditRun(log, run, { folder: tmpdir(), external });
    await context.out.text(reportText(context, run, report));
    return {
      exitCode: report.ok ? EXIT.done : EXIT.failed,
      result: { name: run.run.name, generation: run.run.generation, ...reportJson(report) },
    };
  } finally {
    await log.close();
  }
}

function reportText({ out }: Context, { run, deployment }: DeployedRun, report: AuditReport): string {
  const title = `${run.name}/${run.generation}`;
  const { ok, closed, tasks, counts, findings } = report;
  const found = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const entries = Object.values(report.entries).reduce((sum, count) => sum + count, 0);
  const lines = [
    ok
      ? out.style('green', `${title}: nothing is lost, duplicated, torn or written by a zombie`)
      : out.style('red', `${title}: ${grouped(found)} findings`),
    `  ${grouped(entries)} entries of ${grouped(Object.keys(report.entries).length)} topics, ${grouped(report.records)} records`,
    `  tasks ${grouped(tasks.from)} to ${grouped(tasks.to)}, the last not included${closed ? '' : '; the run is alive, and has not marked more'}`,
  ];
  if (tasks.from > 0) lines.push('  The log has forgotten what led to earlier tasks: of them, only what still stands was looked at.');
  if (deployment.publish !== undefined)
    lines.push(`  Not looked at: the topic '${deployment.publish.topic}', into which it publishes too.`);
  const rows = findings.map((finding) => [finding.kind, placeText(finding), finding.what]);
  if (rows.length > 0) lines.push('', columns(rows, [], '  '));
  if (found > findings.length) lines.push(`  … and ${grouped(found - findings.length)} more`);
  return lines.join('\n');
}

function placeText({ topic, partition, offset }: Finding): string {
  return offset === undefined ? `${topic}/${partition}` : `${topic}/${partition} @${offset}`;
}

function reportJson({ findings, entries, counts, tasks, ...rest }: AuditReport): { readonly [key: string]: Json } {
  return {
    ...rest,
    tasks: { ...tasks },
    entries: { ...entries },
    counts: { ...counts },
    findings: findings.map(({ offset, ...finding }): Json => ({ ...finding, offset: offset ?? null })),
  };
}
