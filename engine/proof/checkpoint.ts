/**
 * Checkpoints (c2sp.org/tlog-checkpoint): a signed note that names a log, its number of leaves and its root. Sizes are exact beyond
 * 2^53. A checkpoint counts only under the origin that the reader expects, and with as many witnesses as it asks for.
 */
import { MizuError } from '../contract/errors.ts';
import { EMPTY_ROOT } from './merkle.ts';
import type { NoteKey } from './note.ts';
import { openNote } from './note.ts';
import { DIGEST_BYTES, equalBytes, toBase64, tryBase64 } from './sha256.ts';

/** Sizes are below 2^63, as in every known reader. */
const SIZE_LIMIT = 2n ** 63n;

export interface Checkpoint {
  readonly origin: string;
  readonly size: bigint;
  /** 32 bytes. */
  readonly root: Uint8Array;
  readonly extensions: readonly string[];
}

/** The text to sign, with its final newline. @throws INTERNAL for parts that would not be read back. */
export function formatCheckpoint(checkpoint: Omit<Checkpoint, 'extensions'> & { readonly extensions?: readonly string[] }): string {
  const lines = [checkpoint.origin, String(checkpoint.size), toBase64(checkpoint.root), ...(checkpoint.extensions ?? [])];
  const text = `${lines.join('\n')}\n`;
  const back = parseCheckpoint(text);
  if (back.extensions.length !== lines.length - 3) throw new MizuError('INTERNAL', 'An extension line of a checkpoint holds a newline');
  return text;
}

function malformed(why: string): MizuError {
  return new MizuError('PROOF_INVALID', `Not a checkpoint: ${why}`);
}

/** Reads a decimal number without sign or leading zeros, exact; undefined for anything else. */
export function parseDecimal(text: string): bigint | undefined {
  if (!/^(?:0|[1-9][0-9]{0,18})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value < SIZE_LIMIT ? value : undefined;
}

/** Reads the text of a note. @throws PROOF_INVALID. */
export function parseCheckpoint(text: string): Checkpoint {
  if (!text.endsWith('\n')) throw malformed('it must end with a newline');
  const lines = text.slice(0, -1).split('\n');
  const [origin, sizeText, rootText, ...extensions] = lines;
  if (origin === undefined || sizeText === undefined || rootText === undefined)
    throw malformed('origin, size and root were expected, each on its own line');
  if (lines.includes('')) throw malformed('a line is empty');
  const size = parseDecimal(sizeText);
  if (size === undefined) throw malformed(`size '${sizeText.slice(0, 40)}' is not a decimal number`);
  const root = tryBase64(rootText);
  if (root === undefined || root.length !== DIGEST_BYTES) throw malformed('the root is not 32 bytes in base64');
  if (size === 0n && !equalBytes(root, EMPTY_ROOT)) throw malformed('an empty tree has the root SHA-256 of nothing');
  return { origin, size, root, extensions };
}

export interface CheckpointPolicy {
  /** The log's key. */
  readonly key: NoteKey;
  /** Default: the key's name. */
  readonly origin?: string | undefined;
  /** Keys of witnesses (c2sp.org/tlog-cosignature). */
  readonly witnesses?: readonly NoteKey[] | undefined;
  /** Distinct witnesses that must have signed. Default 0. */
  readonly quorum?: number | undefined;
}

/** A checkpoint that the log's key signed, for the expected origin. @throws PROOF_INVALID. */
export function openCheckpoint(note: string | Uint8Array, policy: CheckpointPolicy): Checkpoint {
  const { key, origin = key.name, witnesses = [], quorum = 0 } = policy;
  const opened = openNote(note, [key, ...witnesses]);
  if (!opened.verifiedBy.includes(key)) throw new MizuError('PROOF_INVALID', `The log's key '${key.name}' did not sign this checkpoint`);
  const checkpoint = parseCheckpoint(opened.text);
  if (checkpoint.origin !== origin)
    throw new MizuError('PROOF_INVALID', `This checkpoint is of '${checkpoint.origin}', not of '${origin}'`);
  const cosigned = opened.verifiedBy.filter((one) => one !== key && one.kind === 'cosignature').length;
  if (cosigned < quorum) throw new MizuError('PROOF_INVALID', `${cosigned} witnesses signed this checkpoint, ${quorum} were asked for`);
  return checkpoint;
}
