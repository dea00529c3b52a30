/** `mizu prove RECORD`: a portable proof that anyone can check offline. */
import { parseRecordId, proveRecord } from '#engine';
import { findRun, openLog, writeFileWhole } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { ownCommand } from '../own-command.ts';
import { PROOF_ENDING } from './verify.ts';

export async function prove(context: Context, record: string, options: { readonly out?: string }): Promise<Outcome> {
  const id = parseRecordId(record);
  const log = await openLog(context.log, { readOnly: true });
  try {
    const proof = await proveRecord(log, await findRun(log, `${id.name}/${id.generation}`), id);
    const file = options.out ?? `${record.replaceAll('/', '-')}${PROOF_ENDING}`;
    writeFileWhole(file, Buffer.from(proof.text, 'utf8'));
    await context.out.text(
      [
        `Wrote the proof of ${record} to ${file}`,
        `  check it anywhere, without the log: ${ownCommand({ log: '' }, 'verify', file, '--verifier-key', proof.verifierKey)}`,
      ].join('\n'),
    );
    return { result: { ok: true, id: record, file, verifierKey: proof.verifierKey } };
  } finally {
    await log.close();
  }
}
