/**
 * The form of every entry that a role writes: canonical JSON {"body": …, "sig": base64}, signed over its body and the run it belongs to, so that anyone can see
 * who made it. Bodies are checked for their shape when they are read; signatures by who must trust them.
 */
import { MizuError, messageOf } from '../contract/errors.ts';
import type { LogEntry } from '../contract/log.ts';
import type { Json } from '../contract/program.ts';
import type { Signer } from '../contract/signer.ts';
import { toJson } from '../compile/to-json.ts';
import { verifyStrict, verifyStrictAside } from '../proof/ed25519.ts';
import { canonicalBytes, canonicalJson, isPlainObject } from '../proof/jcs.ts';
import { parseStrictJson } from '../proof/json-parser.ts';
import { fromBase64, toBase64 } from '../proof/sha256.ts';
import type { ControlBody } from './control-entry.ts';
import { isControlBody, isRequestBody, isResultBody } from './entry-shapes.ts';
import type { QuestionBody, RequestBody, ResultBody } from './member-entry.ts';

export type SigningContext =
  | 'mizu-control-v1'
  | 'mizu-result-v1'
  | 'mizu-request-v1'
  | 'mizu-question-v1'
  | 'mizu-control-snapshot-v1'
  | 'mizu-tree-place-v1';

function signedBytes(context: SigningContext, run: string, body: Json): Uint8Array {
  return canonicalBytes([context, run, body]);
}

/** `run`: NAME/GENERATION; binds the signature to its run. */
export function encodeSigned(
  context: SigningContext,
  run: string,
  body: ControlBody | ResultBody | RequestBody | QuestionBody | (Json & object),
  signer: Signer,
): Uint8Array {
  const json = toJson(body);
  return Buffer.from(canonicalJson({ body: json, sig: toBase64(signer.sign(signedBytes(context, run, json))) }), 'utf8');
}

export interface SignedEntry<T> {
  readonly body: T;
  readonly signature: Uint8Array;
}

/** Reads an entry of the control log; the signature is checked by `verifySigned`. @throws BYTES_INVALID for a body of another shape. */
export function decodeControl(bytes: Uint8Array): SignedEntry<ControlBody> {
  const { body, signature } = decodeEnvelope(bytes);
  if (!isControlBody(body)) throw new MizuError('BYTES_INVALID', `A control entry of no known shape: ${canonicalJson(body).slice(0, 80)}`);
  return { body, signature };
}

/** Reads an entry of the results topic, likewise. @throws BYTES_INVALID. */
export function decodeResult(bytes: Uint8Array): SignedEntry<ResultBody> {
  const { body, signature } = decodeEnvelope(bytes);
  if (!isResultBody(body)) throw new MizuError('BYTES_INVALID', `A result of no known shape: ${canonicalJson(body).slice(0, 80)}`);
  return { body, signature };
}

/** Reads an entry of the requests topic, likewise. @throws BYTES_INVALID. */
export function decodeRequest(bytes: Uint8Array): SignedEntry<RequestBody> {
  const { body, signature } = decodeEnvelope(bytes);
  if (!isRequestBody(body)) throw new MizuError('BYTES_INVALID', `A request of no known shape: ${canonicalJson(body).slice(0, 80)}`);
  return { body, signature };
}

/** Reads an entry where it stands. @throws LOG_CORRUPT naming topic, partition and offset. */
export function readEntry<T>(
  decode: (bytes: Uint8Array) => SignedEntry<T>,
  topic: string,
  partition: number,
  entry: LogEntry,
): SignedEntry<T> {
  try {
    return decode(entry.value);
  } catch (error) {
    throw new MizuError('LOG_CORRUPT', `${topic}, partition ${partition}, offset ${entry.offset}: ${messageOf(error)}`, {
      cause: error,
      component: topic,
      hint: 'Use the version of Mizu that wrote the run; if it is this one, the log was changed by someone else.',
    });
  }
}

/** Body and signature of any entry, its shape not yet checked. @throws BYTES_INVALID. */
export function decodeEnvelope(bytes: Uint8Array): SignedEntry<Json> {
  const json = parseStrictJson(bytes);
  if (!isPlainObject(json)) throw new MizuError('BYTES_INVALID', 'A control or result entry is no JSON object');
  const { body, sig } = json;
  if (body === undefined || typeof sig !== 'string')
    throw new MizuError('BYTES_INVALID', 'A control or result entry has no body or signature');
  return { body, signature: fromBase64(sig) };
}

export function verifySigned(
  context: SigningContext,
  run: string,
  entry: SignedEntry<ControlBody | ResultBody | RequestBody | QuestionBody | (Json & object)>,
  publicKey: Uint8Array,
): boolean {
  return verifyStrict(publicKey, signedBytes(context, run, toJson(entry.body)), entry.signature);
}

/** The same on a thread of Node's pool. */
export function verifySignedAside(
  context: SigningContext,
  run: string,
  entry: SignedEntry<ControlBody | ResultBody | QuestionBody>,
  publicKey: Uint8Array,
): Promise<boolean> {
  return verifyStrictAside(publicKey, signedBytes(context, run, toJson(entry.body)), entry.signature);
}
