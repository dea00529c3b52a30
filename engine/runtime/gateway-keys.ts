/** Whose attestations count in a run (law 7), read from its control log by those who hold no view of it: replays, stories, later generations. */
import type { Log } from '../contract/log.ts';
import { decodeControl, readEntry, verifySigned } from '../dispatch/signed-entry.ts';
import { MemberKeys } from '../dispatch/member-keys.ts';
import { toHex } from '../proof/sha256.ts';
import { readAll } from './log-cursor.ts';
import type { RunName } from './topics.ts';
import { RunTopics } from './topics.ts';

/**
 * The run's key, and those of the members that control, signed with it, appointed gateway. What another key signed appoints nobody.
 * @param runKey 32 bytes.
 */
export async function gatewayKeys(log: Log, run: RunName, runKey: Uint8Array): Promise<readonly Uint8Array[]> {
  const { control } = new RunTopics(run);
  const title = `${run.name}/${run.generation}`;
  const keys = new MemberKeys();
  keys.note({ type: 'open', owner: '', key: toHex(runKey) });
  for await (const entry of readAll(log, control, 0)) {
    const signed = readEntry(decodeControl, control, 0, entry);
    const { type } = signed.body;
    if ((type === 'admit' || type === 'appoint') && verifySigned('mizu-control-v1', title, signed, runKey)) keys.note(signed.body);
  }
  return keys.gateways;
}
