/** `mizu verify`: a run on a log, or one proof or attestation file without any log. */
import type { DeployedRun, Json, Log, VerifyReport } from '#engine';
import { MizuError, verifyRun } from '#engine';
import { findRun, isDoctorStatement, openExternal, openLog } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { columns, grouped } from '../format.ts';
import { extentText, rangeText } from '../range-text.ts';
import { readEvidence, verifyAttestation } from '../verify-attestation.ts';
import { verifyDoctorFile } from '../verify-doctor.ts';
import { verifyProofFile } from '../verify-proof-file.ts';
import { lookDeep, storageJson, storageText } from '../verify-storage.ts';

export const PROOF_ENDING = '.tlog-proof';
export const ATTESTATION_ENDING = '.json';

export interface VerifyOptions {
  readonly verifierKey?: string;
  readonly key?: string;
  readonly response?: string;
  readonly deep?: boolean;
}

/** @throws USAGE for an option that has no meaning for what is checked. */
export async function verify(context: Context, name: string, options: VerifyOptions): Promise<Outcome> {
  const { verifierKey, key, response, deep } = options;
  const isProof = name.endsWith(PROOF_ENDING);
  if (deep === true && (isProof || name.endsWith(ATTESTATION_ENDING)))
    throw wrongOption('--deep', 'logs', 'Give the name of a run, and its log with --log');
  if (name.endsWith(ATTESTATION_ENDING)) {
    if (verifierKey !== undefined) throw wrongOption('--verifier-key', 'checkpoints of runs', 'Give the key of the gateway: --key HEX');
    const envelope = await readEvidence(name);
    if (isDoctorStatement(envelope)) return verifyDoctorFile(context, name, envelope, key);
    return verifyAttestation(context, name, { key, response });
  }
  if (key !== undefined) throw wrongOption('--key', 'attestations', 'Give the key of the run: --verifier-key NAME+ID+BASE64');
  if (response !== undefined)
    throw wrongOption('--response', 'attestations', `Give the attestation as a file that ends with ${ATTESTATION_ENDING}`);
  return isProof ? verifyProofFile(context, name, verifierKey) : verifyName(context, name, options);
}

function wrongOption(option: string, of: string, hint: string): MizuError {
  return new MizuError('USAGE', `${option} is for ${of}, and no such thing is checked here`, { component: option, hint });
}

async function verifyName(context: Context, name: string, options: VerifyOptions): Promise<Outcome> {
  const log = await openLog(context.log, { readOnly: true });
  try {
    const storage = options.deep === true ? await lookDeep(log, name) : undefined;
    const isSound = storage === undefined || storage.problems.length === 0;
    const looked = await lookAt(log, name, options).catch((error: unknown) => {
      // What damage hides can't be checked; the damage itself is told.
      if (isSound || !(error instanceof MizuError)) throw error;
      return error;
    });
    const { out } = context;
    if (looked instanceof MizuError) await out.text(out.style('red', `${name} could not be verified: ${looked.message}`));
    else await out.text(reportText(context, `${looked.run.run.name}/${looked.run.run.generation}`, looked.report));
    if (storage !== undefined) await out.text(storageText(context, storage));
    const isVerified = !(looked instanceof MizuError) && looked.report.ok;
    return {
      exitCode: isVerified && isSound ? EXIT.done : EXIT.failed,
      result: {
        ...(looked instanceof MizuError ? { error: { code: looked.code, message: looked.message } } : reportJson(looked)),
        ...(storage === undefined ? {} : { storage: storageJson(storage) }),
        ok: isVerified && isSound,
      },
    };
  } finally {
    await log.close();
  }
}

interface Looked {
  readonly run: DeployedRun;
  readonly report: VerifyReport;
}

async function lookAt(log: Log, name: string, { verifierKey, deep }: VerifyOptions): Promise<Looked> {
  const run = await findRun(log, name);
  const external = openExternal(log, (variable) => process.env[variable]);
  return { run, report: await verifyRun(log, run, { verifierKey, external, content: deep === true ? 'all' : 'sample' }) };
}

function reportJson({ run, report }: Looked): { readonly [key: string]: Json } {
  const { checks, problems, range, content, forgotten, ...rest } = report;
  return {
    name: run.run.name,
    generation: run.run.generation,
    ...rest,
    range: range === undefined ? null : { ...range },
    content: content.map((stretch): Json => ({ ...stretch })),
    forgotten: [...forgotten],
    checks: checks.map((check): Json => ({ ...check })),
    problems: problems.map((problem): Json => ({ ...problem })),
  };
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
  const looked = report.content.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  if (looked < tasks) {
    lines.push(
      `  Source, frames and published records were read of ${grouped(looked)} of ${grouped(tasks)} tasks, drawn at random: ${report.content.map(rangeText).join(', ')}.`,
      '  All else was checked of every task. To read everything: --deep',
    );
  }
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
