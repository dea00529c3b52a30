/** Runs as users name them: NAME is the newest generation, NAME/GENERATION any. */
import type { DeployedRun, Log } from '#engine';
import { MizuError, readRun } from '#engine';

/** @throws USAGE for a text that names no run; NOT_FOUND with the runs that exist. */
export async function findRun(log: Log, text: string): Promise<DeployedRun> {
  const match = /^([^/\s]+)(?:\/([1-9]\d{0,9}))?$/.exec(text);
  if (match?.[1] === undefined) {
    throw new MizuError('USAGE', `'${text}' is not the name of a run`, {
      hint: 'A run reads NAME or NAME/GENERATION; `mizu list` shows them.',
    });
  }
  return readRun(log, match[1], match[2] === undefined ? undefined : Number(match[2]));
}
