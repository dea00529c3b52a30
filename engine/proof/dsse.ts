/**
 * DSSE envelopes (secure-systems-lab/dsse v1.0.2): signatures over type and exact payload bytes, so nothing has to be parsed
 * before it is verified. Ed25519 by the strict predicate; what counts is distinct trusted keys, a keyid is only a hint.
 */
import { MizuError } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import type { Signer } from '../contract/signer.ts';
import { verifyStrict } from './ed25519.ts';
import { canonicalJson } from './jcs.ts';
import { parseStrictJson } from './json-parser.ts';
import { concatBytes, toBase64, toHex, tryBase64, utf8 } from './sha256.ts';

/** Signatures that a reader goes through. */
const SIGNATURES_LIMIT = 100;

/** Pre-authentication encoding: `DSSEv1 LEN type LEN body`, lengths in bytes. */
export function pae(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8(payloadType);
  return concatBytes(utf8(`DSSEv1 ${type.length} `), type, utf8(` ${payload.length} `), payload);
}

/** Envelope as canonical JSON; the keyid is the public key in hexadecimal. */
export function signEnvelope(payloadType: string, payload: Uint8Array, signers: readonly Signer[]): string {
  const message = pae(payloadType, payload);
  const signatures = signers.map((signer) => ({ keyid: toHex(signer.publicKey), sig: toBase64(signer.sign(message)) }));
  return canonicalJson({ payload: toBase64(payload), payloadType, signatures });
}

export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly Uint8Array[];
  /** What each signature says of its key; empty where it says nothing. A hint, no evidence. */
  readonly keyids: readonly string[];
}

function malformed(why: string, cause?: unknown): MizuError {
  return new MizuError('PROOF_INVALID', `Not a DSSE envelope: ${why}`, { cause });
}

/** Standard or URL-safe base64 with padding, as DSSE's protocol.md allows. */
function base64Of(value: Json | undefined, field: string): Uint8Array {
  if (typeof value !== 'string') throw malformed(`'${field}' must be text`);
  const bytes = tryBase64(/[+/]/.test(value) ? value : value.replaceAll('-', '+').replaceAll('_', '/'));
  if (bytes === undefined) throw malformed(`'${field}' is not base64`);
  return bytes;
}

function objectOf(value: Json | undefined, what: string): Readonly<Record<string, Json>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${what} must be an object`);
  return value as Readonly<Record<string, Json>>;
}

/** Reads the form; unknown fields are ignored. @throws PROOF_INVALID. */
export function parseEnvelope(source: string | Uint8Array): Envelope {
  let json: Json;
  try {
    json = parseStrictJson(source);
  } catch (error) {
    throw malformed('it is not strict JSON', error);
  }
  const envelope = objectOf(json, 'it');
  const { payloadType, signatures } = envelope;
  if (typeof payloadType !== 'string') throw malformed("'payloadType' must be text");
  if (!Array.isArray(signatures) || signatures.length === 0) throw malformed("'signatures' must be a list of one or more");
  if (signatures.length > SIGNATURES_LIMIT) throw malformed(`it has more than ${SIGNATURES_LIMIT} signatures`);
  const each = signatures.map((one: Json) => objectOf(one, 'a signature'));
  return {
    payloadType,
    payload: base64Of(envelope.payload, 'payload'),
    signatures: each.map(({ sig }) => base64Of(sig, 'sig')),
    keyids: each.map(({ keyid }) => (typeof keyid === 'string' ? keyid : '')),
  };
}

export interface VerifiedEnvelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  /** Trusted keys that signed, each once, in the order given. */
  readonly keys: readonly Uint8Array[];
}

/** The payload, if at least `threshold` distinct trusted keys signed it. @throws PROOF_INVALID. */
export function verifyEnvelope(source: string | Uint8Array, trustedKeys: readonly Uint8Array[], threshold = 1): VerifiedEnvelope {
  if (!Number.isInteger(threshold) || threshold < 1) throw new MizuError('INTERNAL', `A threshold of ${threshold} keys checks nothing`);
  const envelope = parseEnvelope(source);
  const message = pae(envelope.payloadType, envelope.payload);
  const distinct = [...new Map(trustedKeys.map((key) => [toHex(key), key])).values()];
  const keys = distinct.filter((key) => envelope.signatures.some((signature) => verifyStrict(key, message, signature)));
  if (keys.length < threshold) {
    throw new MizuError(
      'PROOF_INVALID',
      `${keys.length} of ${distinct.length} trusted keys signed this envelope, ${threshold} were asked for`,
    );
  }
  return { payloadType: envelope.payloadType, payload: envelope.payload, keys };
}
