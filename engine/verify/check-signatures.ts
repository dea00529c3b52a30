/**
 * Signatures of the control log, of results, and of attestations. One key signs for a run: an orchestrator that opened the run under another one
 * is a problem by itself, else whoever can write to the log could vouch for himself. Results are signed by the keys that control admitted their
 * member with, attestations by the run's key or by a member that control appointed gateway.
 */
import { MizuError, messageOf } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { Log, LogEntry } from '../contract/log.ts';
import type { ControlBody } from '../dispatch/control-entry.ts';
import type { RequestBody, ResultBody } from '../dispatch/member-entry.ts';
import type { SignedEntry } from '../dispatch/signed-entry.ts';
import { decodeControl, decodeRequest, decodeResult, verifySigned, verifySignedAside } from '../dispatch/signed-entry.ts';
import { MemberKeys } from '../dispatch/member-keys.ts';
import { toJson } from '../compile/to-json.ts';
import { attestationKey, openAttestation } from '../proof/attestation.ts';
import { parseEnvelope } from '../proof/dsse.ts';
import { canonicalBytes } from '../proof/jcs.ts';
import { equalBytes, fromHex, sha256, toBase64, toHex } from '../proof/sha256.ts';
import { betaOf, VRF_MODEL } from '../proof/vrf-attestation.ts';
import { readAll } from '../runtime/log-cursor.ts';
import type { RunTopics } from '../runtime/topics.ts';
import { NODE_LIMIT } from '../runtime/topics.ts';
import { begunAhead } from './begun-ahead.ts';
import type { UsageCheck } from './check-usage.ts';
import type { Moment } from './moment.ts';
import type { Report } from './report.ts';

/** Signatures that are checked at once, on threads of Node's pool: one takes some 0.1 ms. */
const SIGNATURES_AHEAD = 64;

export interface SignatureFacts {
  /** Signatures checked. */
  readonly count: number;
  /** Key of the first orchestrator, hexadecimal. */
  readonly firstKey: string;
  /** Task → SHA-256 over the batch of leaves that its accepted result signs, hexadecimal. */
  readonly leaves: ReadonlyMap<number, string>;
  /** Task → the accepted result that is not on the log, as task/attempt/node. */
  readonly missing: ReadonlyMap<number, string>;
  /** Verifiable random numbers: key of the question, hexadecimal → beta. */
  readonly betas: ReadonlyMap<string, Uint8Array>;
  /** Keys whose attestations count. */
  readonly gateways: readonly Uint8Array[];
}

export interface SignatureOptions {
  readonly log: Log;
  readonly topics: RunTopics;
  /** NAME/GENERATION. */
  readonly title: string;
  /** Public key that the reader trusts; absent: that of the first orchestrator. */
  readonly trusted: Uint8Array | undefined;
  readonly report: Report;
  readonly moment: Moment;
  /** Sees what is signed of the usage of answers. */
  readonly usage: UsageCheck;
}

/** @throws CHECK_FAILED when nobody ever ran it. */
export async function checkSignatures(options: SignatureOptions): Promise<SignatureFacts> {
  const control = await checkControl(options);
  const [firstKey] = control.keys;
  if (firstKey === undefined) {
    throw new MizuError('CHECK_FAILED', `${options.topics.control}: no orchestrator ever opened this run`, {
      hint: 'Run its workflow with this --log first.',
    });
  }
  const results = await checkResults(options, control.members, control.accepted);
  const betas = new Map<string, Uint8Array>();
  const attestations = await checkAttestations(options, control.own.gateways, betas);
  const requests = await checkRequests(options, control.keys);
  const count = control.count + results.count + attestations + requests;
  return { count, firstKey, leaves: results.leaves, missing: results.missing, betas, gateways: control.own.gateways };
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new MizuError('INTERNAL', messageOf(thrown)));

/** One entry has one form: what is signed and what is stored are the same bytes. */
function isCanonical(signed: SignedEntry<ControlBody | ResultBody | RequestBody>, bytes: Uint8Array): boolean {
  return equalBytes(canonicalBytes({ body: toJson(signed.body), sig: toBase64(signed.signature) }), bytes);
}

interface ControlFacts {
  readonly count: number;
  readonly keys: readonly string[];
  /** What it says of the keys of members. */
  readonly members: MemberKeys;
  /** What its orchestrators under the run's own key say of them: what another says appoints no gateway. */
  readonly own: MemberKeys;
  /** k/attempt/node → digest of the accepted result. */
  readonly accepted: Map<string, string>;
}

/** An entry of control whose signature is being checked. */
interface ControlLook {
  readonly body: ControlBody;
  readonly holds: boolean;
  /** Whether the orchestrator that wrote it is under the run's own key. */
  readonly isOwn: boolean;
  /** Of an orchestrator that opened the run under another key: the run's own. */
  readonly wanted: string | undefined;
}

/** Looks at entries in the order of the log. */
class ControlSignatures {
  /** Of orchestrators, in the order in which they first came, hexadecimal. */
  readonly keys: string[] = [];
  private readonly title: string;
  private readonly trusted: string | undefined;
  private key: Uint8Array | undefined;
  private isOwn = false;

  constructor(title: string, trusted: Uint8Array | undefined) {
    this.title = title;
    this.trusted = trusted === undefined ? undefined : toHex(trusted);
  }

  /** Whose key it is under is clear when the call returns; whether it holds, later. Rejects for what is no entry of control. */
  async look({ value }: LogEntry): Promise<ControlLook> {
    const signed = decodeControl(value);
    const { body } = signed;
    const wanted = body.type === 'open' ? this.open(body.key) : undefined;
    const { key, isOwn, title } = this;
    const holds = key !== undefined && isCanonical(signed, value) && (await verifySignedAside('mizu-control-v1', title, signed, key));
    return { body, holds, isOwn, wanted };
  }

  /** @returns the key that was expected, if it is not this one. */
  private open(key: string): string | undefined {
    const expected = this.trusted ?? this.keys[0];
    this.isOwn = expected === undefined || key === expected;
    if (!this.keys.includes(key)) this.keys.push(key);
    this.key = fromHex(key);
    return this.isOwn ? undefined : expected;
  }
}

async function checkControl({ log, topics, title, trusted, report, moment, usage }: SignatureOptions): Promise<ControlFacts> {
  const members = new MemberKeys();
  const own = new MemberKeys();
  const accepted = new Map<string, string>();
  const taken = new Set<number>();
  let count = 0;
  const signatures = new ControlSignatures(title, trusted);
  const entries = readAll(log, topics.control, 0, offset(0), moment.control);
  const looks = begunAhead(entries, SIGNATURES_AHEAD, async (entry) => ({ entry, found: await signatures.look(entry).catch(asError) }));
  for await (const { entry, found } of looks) {
    const where = `${topics.control}, offset ${entry.offset}`;
    try {
      if (found instanceof Error) throw found;
      const { body, holds, isOwn, wanted } = found;
      if (body.type === 'open' && wanted !== undefined)
        report(where, `an orchestrator opened the run under key ${body.key}, not under ${wanted}`);
      if (!holds) report(where, `the signature of '${body.type}' does not hold`);
      else {
        members.note(body);
        if (isOwn) own.note(body);
      }
      usage.control(body);
      if (body.type === 'accept' && !taken.has(body.k)) {
        taken.add(body.k);
        accepted.set(`${body.k}/${body.attempt}/${body.node}`, body.result);
      }
      count++;
    } catch (error) {
      report(where, messageOf(error));
    }
  }
  return { count, keys: signatures.keys, members, own, accepted };
}

async function checkResults(
  { log, topics, title, report, moment, usage }: SignatureOptions,
  members: MemberKeys,
  accepted: Map<string, string>,
): Promise<{ readonly count: number; readonly leaves: Map<number, string>; readonly missing: Map<number, string> }> {
  let count = 0;
  const leaves = new Map<number, string>();
  const look = async ({ value }: LogEntry): Promise<{ readonly body: ResultBody; readonly holds: boolean }> => {
    const signed = decodeResult(value);
    return { body: signed.body, holds: isCanonical(signed, value) && (await members.signedAside('mizu-result-v1', title, signed)) };
  };
  for (let node = 0; node < NODE_LIMIT; node++) {
    const entries = readAll(log, topics.results, node, offset(0), moment.results[node]);
    const checks = begunAhead(entries, SIGNATURES_AHEAD, async (entry) => ({ entry, found: await look(entry).catch(asError) }));
    for await (const { entry, found } of checks) {
      const where = `${topics.results}, partition ${node}, offset ${entry.offset}`;
      count++;
      try {
        if (found instanceof Error) throw found;
        const { body, holds } = found;
        if (!holds) report(where, 'the signature of the result does not hold');
        if (body.node !== node) report(where, `a result of node ${body.node} stands among those of node ${node}`);
        if (body.type !== 'task') continue;
        const name = `${body.k}/${body.attempt}/${body.node}`;
        const wanted = accepted.get(name);
        if (wanted === undefined) continue;
        if (wanted !== toHex(sha256(entry.value))) report(where, `control accepted another result of task ${body.k}`);
        accepted.delete(name);
        leaves.set(body.k, body.leaves);
        usage.result(body.k, body.usage);
      } catch (error) {
        report(where, messageOf(error));
      }
    }
  }
  const missing = new Map([...accepted.keys()].map((name) => [Number(name.split('/')[0]), name]));
  return { count, leaves, missing };
}

/** A member asks under its own key, which its first request names; an operator under the run's. */
async function checkRequests({ log, topics, title, report }: SignatureOptions, runKeys: readonly string[]): Promise<number> {
  const own = new Set(runKeys);
  const members = new Map<string, Set<string>>();
  let count = 0;
  for await (const entry of readAll(log, topics.requests, 0)) {
    const where = `${topics.requests}, offset ${entry.offset}`;
    count++;
    try {
      const signed = decodeRequest(entry.value);
      const { body } = signed;
      const known = 'member' in body ? (members.get(body.member) ?? new Set<string>()) : own;
      const keys = body.type === 'join' ? [body.key] : [...known];
      const holds = keys.some((key) => verifySigned('mizu-request-v1', title, signed, fromHex(key)));
      if (!holds || !isCanonical(signed, entry.value)) report(where, `the signature of the request '${body.type}' does not hold`);
      else if (body.type === 'join') members.set(body.member, known.add(body.key));
    } catch (error) {
      report(where, messageOf(error));
    }
  }
  return count;
}

async function checkAttestations(
  { log, topics, report, moment, usage }: SignatureOptions,
  keys: readonly Uint8Array[],
  betas: Map<string, Uint8Array>,
): Promise<number> {
  let count = 0;
  for await (const entry of readAll(log, topics.attestations, 0, offset(0), moment.attestations)) {
    const where = `${topics.attestations}, offset ${entry.offset}`;
    count++;
    try {
      const attestation = openAttestation(entry.value, keys);
      if (!isAsSigned(entry.value, keys)) report(where, 'the envelope is not in the form in which it was signed');
      if (!equalBytes(attestationKey(attestation.network, attestation), entry.key ?? new Uint8Array(0))) {
        report(where, 'the attestation stands under the key of another question');
      } else {
        usage.attestation(attestation);
        const name = toHex(entry.key ?? new Uint8Array(0));
        // The first of a key counts.
        if (attestation.model.name === VRF_MODEL && !betas.has(name)) betas.set(name, betaOf(attestation));
      }
    } catch (error) {
      usage.isBroken = true;
      report(where, messageOf(error));
    }
  }
  return count;
}

/** DSSE lets a reader ignore the hint that names the key, and fields it does not know: here an envelope has one form, like all that is signed. */
function isAsSigned(envelope: Uint8Array, keys: readonly Uint8Array[]): boolean {
  const { payload, payloadType, signatures } = parseEnvelope(envelope);
  const [signature, ...others] = signatures;
  if (signature === undefined || others.length > 0) return false;
  const form = (key: Uint8Array): Uint8Array =>
    canonicalBytes({ payload: toBase64(payload), payloadType, signatures: [{ keyid: toHex(key), sig: toBase64(signature) }] });
  return keys.some((key) => equalBytes(form(key), envelope));
}
