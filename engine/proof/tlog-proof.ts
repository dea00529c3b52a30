/**
 * Portable proofs (c2sp.org/tlog-proof@v1): one text file with index, path and checkpoint shows offline that an entry is in a log.
 * `extra` carries what the format leaves to us, such as a record's path inside its block. Read strictly: one text, one meaning.
 */
import { MizuError } from '../contract/errors.ts';
import type { Checkpoint, CheckpointPolicy } from './checkpoint.ts';
import { openCheckpoint, parseDecimal } from './checkpoint.ts';
import { leafHash, verifyInclusion } from './merkle.ts';
import { parseNote } from './note.ts';
import { DIGEST_BYTES, toBase64, tryBase64, tryUtf8 } from './sha256.ts';

const HEADER = 'c2sp.org/tlog-proof@v1';
/** Hashes in a path: a tree has less than 2^63 leaves. */
const PATH_LIMIT = 63;
/** Bytes of a proof file. */
export const PROOF_LIMIT_BYTES = 16 * 1024 * 1024;

export interface TlogProof {
  readonly index: bigint;
  readonly path: readonly Uint8Array[];
  /** The signed checkpoint, as text. */
  readonly checkpoint: string;
  /** Application bytes; not covered by any signature of the log. */
  readonly extra?: Uint8Array | undefined;
}

export function formatTlogProof(proof: TlogProof): string {
  const lines = [HEADER];
  if (proof.extra !== undefined) lines.push(`extra ${toBase64(proof.extra)}`);
  lines.push(`index ${proof.index}`, ...proof.path.map(toBase64));
  return `${lines.join('\n')}\n\n${proof.checkpoint}`;
}

function malformed(why: string): MizuError {
  return new MizuError('PROOF_INVALID', `Not a tlog-proof file: ${why}`);
}

/** Reads the form; checks no signature and no hash. @throws PROOF_INVALID, saying which line. */
export function parseTlogProof(source: string | Uint8Array): TlogProof {
  if (source.length > PROOF_LIMIT_BYTES) throw malformed(`it is larger than ${PROOF_LIMIT_BYTES} bytes`);
  const text = typeof source === 'string' ? source : tryUtf8(source);
  if (text === undefined) throw malformed('it is not UTF-8');
  const end = text.indexOf('\n\n');
  if (end < 0) throw malformed('no blank line before the checkpoint');
  const checkpoint = text.slice(end + 2);
  const lines = text.slice(0, end).split('\n');
  if (lines[0] !== HEADER) throw malformed(`the first line must be '${HEADER}'`);
  let at = 1;
  let extra: Uint8Array | undefined;
  if (lines[at]?.startsWith('extra ')) {
    extra = tryBase64((lines[at] ?? '').slice('extra '.length));
    if (extra === undefined) throw malformed("the 'extra' line is not base64");
    at++;
  }
  const index = lines[at]?.startsWith('index ') ? parseDecimal((lines[at] ?? '').slice('index '.length)) : undefined;
  if (index === undefined) throw malformed(`line ${at + 1}: 'index' and a decimal number were expected`);
  const hashLines = lines.slice(at + 1);
  if (hashLines.length > PATH_LIMIT) throw malformed(`a path has at most ${PATH_LIMIT} hashes`);
  const path = hashLines.map((line, n) => {
    const hash = tryBase64(line);
    if (hash === undefined || hash.length !== DIGEST_BYTES) throw malformed(`line ${at + 2 + n}: 32 bytes in base64 were expected`);
    return hash;
  });
  parseNote(checkpoint);
  return { index, path, checkpoint, extra };
}

export interface VerifiedProof {
  readonly index: bigint;
  readonly checkpoint: Checkpoint;
  readonly extra: Uint8Array | undefined;
}

/** Checks offline that `entry` stands in the log of the policy's key. @throws PROOF_INVALID, saying what does not fit. */
export function verifyTlogProof(source: string | Uint8Array, entry: Uint8Array, policy: CheckpointPolicy): VerifiedProof {
  const proof = parseTlogProof(source);
  const checkpoint = openCheckpoint(proof.checkpoint, policy);
  const { size, root } = checkpoint;
  if (!verifyInclusion({ index: proof.index, size, leafHash: leafHash(entry), path: proof.path, root })) {
    throw new MizuError('PROOF_INVALID', `The path does not lead from this entry at index ${proof.index} to the root of ${size} leaves`);
  }
  return { index: proof.index, checkpoint, extra: proof.extra };
}
