/**
 * in-toto Statement v1 (in-toto/attestation spec/v1): what is said (predicate) about which bytes (subjects, by digest). Statements
 * are written as canonical JSON and signed in a DSSE envelope; they are read by the strict JSON reader.
 */
import { MizuError } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import type { Signer } from '../contract/signer.ts';
import { signEnvelope, verifyEnvelope } from './dsse.ts';
import { canonicalBytes } from './jcs.ts';
import { parseStrictJson } from './json-parser.ts';

export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
export const IN_TOTO_PAYLOAD_TYPE = 'application/vnd.in-toto+json';

/** Digits of hexadecimal digests by algorithm (in-toto DigestSet); other algorithms are not checked for length. */
const DIGEST_DIGITS: Readonly<Record<string, number>> = {
  sha256: 64,
  sha224: 56,
  sha384: 96,
  sha512: 128,
  sha1: 40,
  gitCommit: 40,
  gitBlob: 40,
  gitTree: 40,
};

export interface ResourceDescriptor {
  readonly name?: string;
  readonly uri?: string;
  /** Algorithm → lower-case hexadecimal. */
  readonly digest: Readonly<Record<string, string>>;
}

export interface Statement {
  readonly _type: typeof STATEMENT_TYPE;
  readonly subject: readonly ResourceDescriptor[];
  readonly predicateType: string;
  readonly predicate?: Json;
}

export function statement(subject: readonly ResourceDescriptor[], predicateType: string, predicate: Json): Statement {
  const made: Statement = { _type: STATEMENT_TYPE, subject, predicateType, predicate };
  checkStatement(jsonOf(made));
  return made;
}

function jsonOf(made: Statement): Json {
  const subject = made.subject.map((one): Json => ({ ...one }));
  return {
    _type: made._type,
    subject,
    predicateType: made.predicateType,
    ...(made.predicate === undefined ? {} : { predicate: made.predicate }),
  };
}

function malformed(why: string, cause?: unknown): MizuError {
  return new MizuError('PROOF_INVALID', `Not an in-toto Statement v1: ${why}`, { cause });
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkDigest(digest: Json | undefined, place: string): void {
  if (!isObject(digest) || Object.keys(digest).length === 0) throw malformed(`${place} needs a digest`);
  for (const [algorithm, value] of Object.entries(digest)) {
    const digits = DIGEST_DIGITS[algorithm];
    const good =
      typeof value === 'string' && value !== '' && (digits === undefined || (value.length === digits && /^[0-9a-f]+$/.test(value)));
    if (!good) throw malformed(`${place}: the ${algorithm} digest is not ${digits ?? 'a text of'} lower-case hexadecimal digits`);
  }
}

/** Checks the form of a parsed statement; unknown fields are allowed. @throws PROOF_INVALID. */
export function checkStatement(json: Json): Statement {
  if (!isObject(json)) throw malformed('it must be an object');
  const { _type, subject, predicateType, predicate } = json;
  if (_type !== STATEMENT_TYPE) throw malformed(`'_type' must be ${STATEMENT_TYPE}`);
  if (!Array.isArray(subject) || subject.length === 0) throw malformed("'subject' must be a list of one or more");
  subject.forEach((one: Json, n) => {
    if (!isObject(one)) throw malformed(`subject[${n}] must be an object`);
    for (const field of ['name', 'uri']) {
      if (one[field] !== undefined && typeof one[field] !== 'string') throw malformed(`subject[${n}].${field} must be text`);
    }
    checkDigest(one.digest, `subject[${n}]`);
  });
  if (typeof predicateType !== 'string' || predicateType === '') throw malformed("'predicateType' must be a URI");
  if (predicate !== undefined && !isObject(predicate)) throw malformed("'predicate' must be an object");
  return json as Json & Statement;
}

/** Reads a payload. @throws PROOF_INVALID. */
export function parseStatement(payload: Uint8Array): Statement {
  let json: Json;
  try {
    json = parseStrictJson(payload);
  } catch (error) {
    throw malformed('it is not strict JSON', error);
  }
  return checkStatement(json);
}

/** A DSSE envelope around the canonical JSON of the statement. */
export function signStatement(made: Statement, signers: readonly Signer[]): string {
  return signEnvelope(IN_TOTO_PAYLOAD_TYPE, canonicalBytes(jsonOf(made)), signers);
}

/** The statement of an envelope signed by enough trusted keys. @throws PROOF_INVALID. */
export function verifyStatement(envelope: string | Uint8Array, trustedKeys: readonly Uint8Array[], threshold = 1): Statement {
  const { payloadType, payload } = verifyEnvelope(envelope, trustedKeys, threshold);
  // Also `application/vnd.in-toto.<predicate>+json`: spec/v1/envelope.md.
  if (!/^application\/vnd\.in-toto(?:\.[a-z0-9.-]+)?\+json$/.test(payloadType))
    throw malformed(`payload type '${payloadType.slice(0, 80)}' is not in-toto's`);
  return parseStatement(payload);
}
