/** `mizu verify`: a run on a log, or one proof or attestation file without any log. */
import type { Json, ProofReport, VerifyReport } from '#engine';
import { MizuError, parseTlogProof, verifierKeyOf, verifyProof, verifyRun } from '#engine';
import { findRun, isDoctorStatement, openExternal, openLog } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { columns, grouped } from '../format.ts';
import { extentText } from '../range-text.ts';
import { plainRow, rowLines } from '../show-value.ts';
import { readEvidence, verifyAttestation } from '../verify-attestation.ts';
import { verifyDoctorFile } from '../verify-doctor.ts';
import { whyText } from '../why-text.ts';

export const PROOF_ENDING = '.tlog-proof';
export const ATTESTATION_ENDING = '.json';

export interface VerifyOptions {
  readonly verifierKey?: string;
  readonly key?: string;
  readonly response?: string;
}

/** @throws USAGE for an option that has no meaning for what is checked. */
export async function verify(context: Context, name: string, options: VerifyOptions): Promise<Outcome> {
  const { verifierKey, key, response } = options;
  if (name.endsWith(ATTESTATION_ENDING)) {
    if (verifierKey !== undefined) throw wrongOption('--verifier-key', 'checkpoints of runs', 'Give the key of the gateway: --key HEX');
    const envelope = await readEvidence(name);
    if (isDoctorStatement(envelope)) return verifyDoctorFile(context, name, envelope, key);
    return verifyAttestation(context, name, { key, response });
  }
  if (key !== undefined) throw wrongOption('--key', 'attestations', 'Give the key of the run: --verifier-key NAME+ID+BASE64');
  if (response !== undefined)
    throw wrongOption('--response', 'attestations', `Give the attestation as a file that ends with ${ATTESTATION_ENDING}`);
  return name.endsWith(PROOF_ENDING) ? verifyFile(context, name, options) : verifyName(context, name, options);
}

function wrongOption(option: string, of: string, hint: string): MizuError {
  return new MizuError('USAGE', `${option} is for ${of}, and no such thing is checked here`, { component: option, hint });
}

async function verifyName(context: Context, name: string, options: VerifyOptions): Promise<Outcome> {
  const log = await openLog(context.log, { readOnly: true });
  try {
    const run = await findRun(log, name);
    const report = await verifyRun(log, run, {
      verifierKey: options.verifierKey,
      external: openExternal(log, (name) => process.env[name]),
    });
    await context.out.text(reportText(context, `${run.run.name}/${run.run.generation}`, report));
    const { checks, problems, range, forgotten, ...rest } = report;
    return {
      exitCode: report.ok ? EXIT.done : EXIT.failed,
      result: {
        name: run.run.name,
        generation: run.run.generation,
        ...rest,
        range: range === undefined ? null : { ...range },
        forgotten: [...forgotten],
        checks: checks.map((check): Json => ({ ...check })),
        problems: problems.map((problem): Json => ({ ...problem })),
      },
    };
  } finally {
    await log.close();
  }
}

function reportText({ out }: Context, title: string, report: VerifyReport): string {
  const { range, tasks } = report;
  const what = `${title}${extentText(report, tasks - 1)}`;
  const rows = report.checks.map((check) => [check.name, grouped(check.count), check.detail]);
  const lines = [
    report.ok ? out.style('green', `${what} verifies`) : out.style('red', `${what} does not verify`),
    columns(rows, [1], '  '),
    `  root          ${report.root}, ${grouped(report.treeSize)} leaves of ${grouped(tasks)} tasks`,
    `  verifier key  ${report.verifierKey}`,
  ];
  if (!report.closed) lines.push('  The run goes on: what came after its newest signed head was not looked at.');
  if (report.forgotten.length > 0) {
    const before = range === undefined ? `up to ${grouped(tasks - 1)}` : `before ${grouped(range.from)}`;
    lines.push(
      `  Of tasks ${before} the log has forgotten something, and it was not looked at: ${report.forgotten.join(', ')}.`,
      '  Their signatures, leaves and place in the tree were checked, and what is left.',
    );
  }
  if (!report.keyGiven) lines.push('  This key was taken from the log itself. If you know it from elsewhere, give it: --verifier-key');
  for (const problem of report.problems) lines.push(`  ${problem.where}: ${problem.message}`);
  return lines.join('\n');
}

async function verifyFile(context: Context, file: string, options: VerifyOptions): Promise<Outcome> {
  const text = Buffer.from(await readEvidence(file)).toString('utf8');
  const key = options.verifierKey ?? (await keyFromLog(context, text));
  const report = verifyProof(text, key);
  const { out } = context;
  const { row, drop } = report;
  const content = row === undefined ? [`  ${drop?.step ?? ''}: ${report.kind}${dropWhy(drop)}`] : rowLines(row, '  ');
  const lines = [
    out.style(
      'green',
      `${file} verifies: record ${report.id} was ${report.kind === 'published' ? 'published' : `dropped (${report.kind})`}`,
    ),
    ...content,
    `  program       ${report.program}`,
    `  leaf          ${grouped(report.leafIndex)} of ${grouped(report.treeSize)}, publishing step ${report.task}`,
    `  checkpoint    ${report.origin}`,
    `  verifier key  ${key}`,
  ];
  if (options.verifierKey === undefined)
    lines.push(`  This key was taken from the log ${context.log}. If you know it from elsewhere, give it: --verifier-key`);
  await out.text(lines.join('\n'));
  const { schema, row: _row, drop: _drop, ...rest } = report;
  return {
    result: {
      ok: true,
      ...rest,
      verifierKey: key,
      keyGiven: options.verifierKey !== undefined,
      row: row === undefined ? null : plainRow(row),
      ...(drop === undefined ? {} : { drop: { ...drop, measured: drop.measured ?? null, limit: drop.limit ?? null } }),
    },
  };
}

function dropWhy(drop: ProofReport['drop']): string {
  if (drop === undefined) return '';
  const { measured, limit, code, message } = drop;
  return whyText({
    ...(measured === undefined ? {} : { measured }),
    ...(limit === undefined ? {} : { limit }),
    ...(code === '' ? {} : { code, message }),
  });
}

/** The key of the run that the proof's checkpoint names, from the log at hand. @throws USAGE when there is none. */
async function keyFromLog(context: Context, proof: string): Promise<string> {
  const [origin = ''] = parseTlogProof(proof).checkpoint.split('\n');
  const [, name, generation] = /\/([^/]+)\/(\d+)$/.exec(origin) ?? [];
  try {
    const log = await openLog(context.log, { readOnly: true });
    try {
      return await verifierKeyOf(log, await findRun(log, `${name}/${generation}`));
    } finally {
      await log.close();
    }
  } catch (error) {
    throw new MizuError('USAGE', `Checking a proof needs the key of '${origin}', and ${context.log} does not know it`, {
      cause: error,
      component: '--verifier-key',
      hint: 'Give the key that you trust: --verifier-key NAME+ID+BASE64. The run printed it, and the README.md of its export names it.',
    });
  }
}
