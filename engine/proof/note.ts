/**
 * Signed notes (c2sp.org/signed-note): a text and signatures by named keys. Verifier keys read `NAME+ID+BASE64`, where the id is the
 * first 4 bytes of SHA-256(name ‖ 0A ‖ type ‖ key). Types: 01 Ed25519, 04 Ed25519 cosignature (c2sp.org/tlog-cosignature).
 */
import { MizuError } from '../contract/errors.ts';
import type { Signer } from '../contract/signer.ts';
import { checkPublicKey, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, verifyStrict } from './ed25519.ts';
import { concatBytes, equalBytes, fromHex, sha256, toBase64, toHex, tryBase64, tryUtf8, utf8 } from './sha256.ts';

const TYPE_ED25519 = 1;
const TYPE_COSIGNATURE = 4;
const KEY_ID_BYTES = 4;
const TIME_BYTES = 8;
/** Signature lines that a reader goes through; the specification asks for 16 at least. */
export const NOTE_SIGNATURES_LIMIT = 100;
/** Bytes of a note; a checkpoint has a few hundred. */
export const NOTE_LIMIT_BYTES = 1024 * 1024;

/** A verifier key. */
export interface NoteKey {
  readonly name: string;
  /** 4 bytes. */
  readonly id: Uint8Array;
  readonly kind: 'ed25519' | 'cosignature';
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

export interface SignatureLine {
  readonly name: string;
  readonly id: Uint8Array;
  readonly signature: Uint8Array;
}

export interface Note {
  /** Ends with a newline. */
  readonly text: string;
  readonly signatures: readonly SignatureLine[];
}

export interface OpenedNote extends Note {
  /** Keys among the known ones that signed, each once, in order of the lines. */
  readonly verifiedBy: readonly NoteKey[];
}

/** White space of Unicode 16 (as Go's unicode.IsSpace), pinned: tables differ between Node versions. */
const SPACE = /[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

function isKeyName(name: string): boolean {
  return name !== '' && !name.includes('+') && !SPACE.test(name) && name.isWellFormed();
}

function keyId(name: string, type: number, publicKey: Uint8Array): Uint8Array {
  return sha256(utf8(name), Uint8Array.of(0x0a, type), publicKey).subarray(0, KEY_ID_BYTES);
}

/** The key of a name. @throws KEY_INVALID for a name with white space or '+', or a key that `checkPublicKey` refuses. */
export function noteKey(name: string, publicKey: Uint8Array, kind: NoteKey['kind'] = 'ed25519'): NoteKey {
  if (!isKeyName(name))
    throw new MizuError('KEY_INVALID', `'${name.slice(0, 80)}' is no key name: it must not be empty or hold white space or '+'`);
  const problem = checkPublicKey(publicKey);
  if (problem !== undefined) throw new MizuError('KEY_INVALID', `The public key of '${name}' is refused: ${problem}`);
  return { name, id: keyId(name, kind === 'ed25519' ? TYPE_ED25519 : TYPE_COSIGNATURE, publicKey), kind, publicKey };
}

/** `NAME+ID+BASE64`. */
export function formatVkey(key: NoteKey): string {
  const type = key.kind === 'ed25519' ? TYPE_ED25519 : TYPE_COSIGNATURE;
  return `${key.name}+${toHex(key.id)}+${toBase64(concatBytes(Uint8Array.of(type), key.publicKey))}`;
}

/** Reads a verifier key. @throws KEY_INVALID, without the text, which may be a private key given by mistake. */
export function parseVkey(text: string): NoteKey {
  if (text.startsWith('PRIVATE+KEY+'))
    throw new MizuError('KEY_INVALID', 'This is a private key; a verifier key (NAME+ID+BASE64) was expected');
  const match = /^([^+]*)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  const [, name, id, encoded] = match ?? [];
  if (name === undefined || id === undefined || encoded === undefined) {
    throw new MizuError('KEY_INVALID', 'Not a verifier key: NAME+ID+BASE64 was expected, with an id of 8 lower-case hexadecimal digits');
  }
  const bytes = tryBase64(encoded);
  if (bytes === undefined || bytes.length !== 1 + PUBLIC_KEY_BYTES)
    throw new MizuError('KEY_INVALID', `Verifier key of '${name}': 33 bytes in base64 were expected`);
  const type = bytes[0];
  if (type !== TYPE_ED25519 && type !== TYPE_COSIGNATURE)
    throw new MizuError('KEY_INVALID', `Verifier key of '${name}': type ${type} is not known (1 Ed25519, 4 cosignature)`);
  const key = noteKey(name, bytes.subarray(1), type === TYPE_ED25519 ? 'ed25519' : 'cosignature');
  if (!equalBytes(key.id, fromHex(id)))
    throw new MizuError('KEY_INVALID', `Verifier key of '${name}': its id is ${toHex(key.id)}, not ${id}`);
  return key;
}

function isNoteText(text: string): boolean {
  for (let n = 0; n < text.length; n++) {
    const unit = text.charCodeAt(n);
    if (unit < 0x20 && unit !== 0x0a) return false;
  }
  return text.isWellFormed();
}

/** Signs a text, which must end with a newline. Ed25519 is deterministic: the same text and key give the same note. */
export function signNote(text: string, signers: readonly { readonly name: string; readonly signer: Signer }[]): string {
  if (!text.endsWith('\n') || !isNoteText(text))
    throw new MizuError('INTERNAL', 'A note text must end with a newline and hold no control characters');
  const lines = signers.map(({ name, signer }) => {
    const key = noteKey(name, signer.publicKey);
    return `— ${name} ${toBase64(concatBytes(key.id, signer.sign(utf8(text))))}\n`;
  });
  return `${text}\n${lines.join('')}`;
}

function malformed(why: string): MizuError {
  return new MizuError('PROOF_INVALID', `Not a signed note: ${why}`);
}

/** Reads the form, checks no signature. @throws PROOF_INVALID. */
export function parseNote(source: string | Uint8Array): Note {
  if (source.length > NOTE_LIMIT_BYTES) throw malformed(`it is larger than ${NOTE_LIMIT_BYTES} bytes`);
  const whole = typeof source === 'string' ? source : tryUtf8(source);
  if (whole === undefined || !isNoteText(whole)) throw malformed('it must be UTF-8 text without control characters');
  const at = whole.lastIndexOf('\n\n');
  if (at < 0) throw malformed('no blank line before the signatures');
  const block = whole.slice(at + 2);
  if (block === '' || !block.endsWith('\n')) throw malformed('signature lines that end with a newline were expected');
  const lines = block.slice(0, -1).split('\n');
  if (lines.length > NOTE_SIGNATURES_LIMIT) throw malformed(`it has more than ${NOTE_SIGNATURES_LIMIT} signatures`);
  return { text: whole.slice(0, at + 1), signatures: lines.map(parseSignatureLine) };
}

function parseSignatureLine(line: string): SignatureLine {
  const match = /^— ([^ ]+) ([^ ]+)$/.exec(line);
  const [, name, encoded] = match ?? [];
  if (name === undefined || encoded === undefined || !isKeyName(name)) throw malformed(`signature line '${line.slice(0, 80)}'`);
  const bytes = tryBase64(encoded);
  if (bytes === undefined || bytes.length <= KEY_ID_BYTES)
    throw malformed(`the signature of '${name}' is not base64 of key id and signature`);
  return { name, id: bytes.subarray(0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) };
}

/** True if the line is a good signature of the text by the key. */
function verifies(key: NoteKey, text: string, signature: Uint8Array): boolean {
  if (key.kind === 'ed25519') return verifyStrict(key.publicKey, utf8(text), signature);
  if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return false;
  const time = Buffer.from(signature).readBigUInt64BE();
  if (time >= 2n ** 63n) return false;
  return verifyStrict(key.publicKey, utf8(`cosignature/v1\ntime ${time}\n${text}`), signature.subarray(TIME_BYTES));
}

/**
 * Reads a note and checks every signature that claims a known key (by name and id); lines of other keys are ignored.
 * @throws PROOF_INVALID when no known key signed, or a signature of a known key is wrong.
 */
export function openNote(source: string | Uint8Array, known: readonly NoteKey[]): OpenedNote {
  const note = parseNote(source);
  const verifiedBy: NoteKey[] = [];
  for (const line of note.signatures) {
    const key = known.find((one) => one.name === line.name && equalBytes(one.id, line.id));
    if (key === undefined) continue;
    if (!verifies(key, note.text, line.signature))
      throw new MizuError('PROOF_INVALID', `The signature of '${line.name}' does not fit the text`);
    if (!verifiedBy.includes(key)) verifiedBy.push(key);
  }
  if (verifiedBy.length === 0) {
    const names = note.signatures.map((line) => line.name).slice(0, 5);
    throw new MizuError('PROOF_INVALID', `No known key signed this note; signatures are by ${names.join(', ')}`);
  }
  return { ...note, verifiedBy };
}
