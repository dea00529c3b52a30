/** `mizu verify FILE.tlog-proof`: one proof of a record, checked without any log if the key is given. */
import type { ProofReport } from '#engine';
import { MizuError, parseTlogProof, verifierKeyOf, verifyProof } from '#engine';
import { findRun, openLog } from '#topologies';
import type { Context, Outcome } from './context.ts';
import { grouped } from './format.ts';
import { plainRow, rowLines } from './show-value.ts';
import { readEvidence } from './verify-attestation.ts';
import { whyText } from './why-text.ts';

export async function verifyProofFile(context: Context, file: string, verifierKey: string | undefined): Promise<Outcome> {
  const text = Buffer.from(await readEvidence(file)).toString('utf8');
  const key = verifierKey ?? (await keyFromLog(context, text));
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
  if (verifierKey === undefined)
    lines.push(`  This key was taken from the log ${context.log}. If you know it from elsewhere, give it: --verifier-key`);
  await out.text(lines.join('\n'));
  const { schema, row: _row, drop: _drop, ...rest } = report;
  return {
    result: {
      ok: true,
      ...rest,
      verifierKey: key,
      keyGiven: verifierKey !== undefined,
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
