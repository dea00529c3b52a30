/** The verifier key that a run's own log names: that of its first orchestrator, under the run's checkpoint origin. */
import { MizuError } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import { decodeControl } from '../dispatch/signed-entry.ts';
import { formatVkey, noteKey } from '../proof/note.ts';
import { fromHex } from '../proof/sha256.ts';
import { originOf } from '../runtime/checkpointer.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { RunTopics } from '../runtime/topics.ts';

/** @throws CHECK_FAILED when nobody ran it yet. */
export async function verifierKeyOf(log: Log, run: DeployedRun): Promise<string> {
  const { entries } = await log.read(new RunTopics(run.run).control, 0, offset(0), { maxEntries: 1 });
  const [first] = entries;
  const body = first === undefined ? undefined : decodeControl(first.value).body;
  if (body?.type !== 'open') throw new MizuError('CHECK_FAILED', `'${run.run.name}/${run.run.generation}' was deployed and never run`);
  return formatVkey(noteKey(originOf(log.network, run.run), fromHex(body.key)));
}
