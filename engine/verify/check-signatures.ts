/** Signatures of the control log, of the results that count, and of attestations. Each orchestrator names its key in its `open` entry. */
import { MizuError, messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { decodeControl, decodeResult, verifySigned } from '../dispatch/control-entry.ts';
import { openAttestation } from '../proof/attestation.ts';
import { fromHex, sha256, toHex } from '../proof/sha256.ts';
import { readAll } from '../runtime/log-cursor.ts';
import type { RunTopics } from '../runtime/topics.ts';
import { NODE_LIMIT } from '../runtime/topics.ts';
import type { Report } from './check-leaves.ts';

export async function checkSignatures(log: Log, topics: RunTopics, title: string, report: Report): Promise<{ readonly count: number; readonly firstKey: string }> {
  let count = 0;
  let key = '';
  const keys: string[] = [];
  const accepted = new Map<string, string>();
  for await (const entry of readAll(log, topics.control, 0)) {
    const where = `${topics.control}, offset ${entry.offset}`;
    try {
      const signed = decodeControl(entry.value);
      const { body } = signed;
      if (body.type === 'open') key = body.key;
      if (body.type === 'open' && !keys.includes(key)) keys.push(key);
      if (key === '' || !verifySigned('mizu-control-v1', title, signed, fromHex(key))) report(where, `the signature of '${body.type}' does not hold`);
      if (body.type === 'accept') accepted.set(`${body.k}/${body.attempt}/${body.node}`, body.result);
      count++;
    } catch (error) {
      report(where, messageOf(error));
    }
  }
  const [firstKey] = keys;
  if (firstKey === undefined) throw new MizuError('CHECK_FAILED', `${topics.control}: no orchestrator ever opened this run`, { hint: 'Run its workflow with this --log first.' });
  const trusted = keys.map(fromHex);
  count += await checkResults(log, topics, title, trusted, accepted, report);
  count += await checkAttestations(log, topics, trusted, report);
  return { count, firstKey };
}

async function checkResults(log: Log, topics: RunTopics, title: string, keys: readonly Uint8Array[], accepted: Map<string, string>, report: Report): Promise<number> {
  let count = 0;
  for (let node = 0; node < NODE_LIMIT; node++) {
    for await (const entry of readAll(log, topics.results, node)) {
      const where = `${topics.results}, partition ${node}, offset ${entry.offset}`;
      const signed = decodeResult(entry.value);
      const { body } = signed;
      count++;
      if (!keys.some((key) => verifySigned('mizu-result-v1', title, signed, key))) report(where, 'the signature of the result does not hold');
      if (body.type !== 'task') continue;
      const name = `${body.k}/${body.attempt}/${body.node}`;
      const wanted = accepted.get(name);
      if (wanted !== undefined && wanted !== toHex(sha256(entry.value))) report(where, `control accepted another result of task ${body.k}`);
      accepted.delete(name);
    }
  }
  for (const name of accepted.keys()) report(topics.results, `control accepted result ${name} (task/attempt/node), which is not on the log`);
  return count;
}

async function checkAttestations(log: Log, topics: RunTopics, keys: readonly Uint8Array[], report: Report): Promise<number> {
  let count = 0;
  for await (const entry of readAll(log, topics.attestations, 0)) {
    count++;
    try {
      openAttestation(entry.value, keys);
    } catch (error) {
      report(`${topics.attestations}, offset ${entry.offset}`, messageOf(error));
    }
  }
  return count;
}
