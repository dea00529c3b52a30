/**
 * Checks a proof file offline (P11): tlog-proof → leaf → record or drop. Read strictly, so that one file says one thing; every field of the
 * extra line is bound by the checkpoint's signature, or only shapes the path to what is.
 */
import { messageOf, MizuError } from '../contract/errors.ts';
import type { RecordId } from '../contract/ids.ts';
import { formatRecordId, parseRecordId } from '../contract/ids.ts';
import type { Json } from '../contract/program.ts';
import type { Row, Schema } from '../contract/types.ts';
import { publishDigest } from '../datavm/step-machine.ts';
import { ByteReader } from '../proof/byte-reader.ts';
import type { DropKind, DropReason } from '../proof/effect.ts';
import { decodeDrop } from '../proof/effect.ts';
import { publishedEntry } from '../proof/frame.ts';
import { canonicalBytes } from '../proof/jcs.ts';
import { parseStrictJson } from '../proof/json-parser.ts';
import { decodeLeaf } from '../proof/leaf.ts';
import { leafHash, verifyInclusion } from '../proof/merkle.ts';
import { parseVkey } from '../proof/note.ts';
import { equalBytes, fromBase64, sha256, toHex } from '../proof/sha256.ts';
import { parseTlogProof, verifyTlogProof } from '../proof/tlog-proof.ts';
import { recordCodec } from '../proof/value-codec.ts';
import { isSchema } from '../workflow/type-shapes.ts';

/** Version of the extra line. */
export const PROOF_VERSION = 1;
const EXTRA_FIELDS: readonly string[] = ['v', 'id', 'record', 'drop', 'index', 'count', 'path', 'leaf', 'schema'];
/** Candidates are u32 in the entries of a leaf. */
const CANDIDATE_LIMIT = 0xffffffff;

export interface ProofReport {
  /** NAME/GENERATION/k.i */
  readonly id: string;
  readonly kind: 'published' | DropKind;
  /** Fields of a published record; undefined for a dropped one. */
  readonly row: Row | undefined;
  readonly schema: Schema;
  /** Why it was dropped. */
  readonly drop: DropReason | undefined;
  /** Digest of the program. */
  readonly program: string;
  /** stage/partition/k of the publishing step. */
  readonly task: string;
  readonly origin: string;
  readonly treeSize: number;
  /** Place of the leaf in the tree. */
  readonly leafIndex: number;
}

/** Checks a proof file offline. @throws PROOF_INVALID, naming the link that does not hold; KEY_INVALID. */
export function verifyProof(text: string, verifierKey: string): ProofReport {
  const key = parseVkey(verifierKey);
  const proof = parseTlogProof(text);
  if (proof.extra === undefined) throw new MizuError('PROOF_INVALID', 'The proof carries no record: it has no extra line');
  const extra = readExtra(proof.extra);
  const verified = verifyTlogProof(text, extra.leaf, { key });
  const leaf = decodeOr('its leaf', () => decodeLeaf(extra.leaf));
  const { id } = extra;
  const drop = extra.drop === undefined ? undefined : decodeOr('its dropped record', () => decodeDrop(extra.drop as Uint8Array));
  const entry =
    extra.record === undefined
      ? Buffer.concat([Buffer.of(1), extra.drop ?? new Uint8Array(0)])
      : publishedEntry(id.i, sha256(extra.record));
  if (leaf.step !== 'publish' || leaf.root === undefined)
    throw new MizuError('PROOF_INVALID', `The leaf is of '${leaf.step}', not of a publishing step`);
  if (!equalBytes(leaf.opDigest, publishDigest(extra.schema)))
    throw new MizuError('PROOF_INVALID', 'The schema is not the one that the leaf commits to');
  if (!verifyInclusion({ index: extra.index, size: extra.count, leafHash: leafHash(entry), path: extra.path, root: leaf.root })) {
    throw new MizuError('PROOF_INVALID', 'The record is not among those that the leaf commits to');
  }
  const isPublished = drop === undefined;
  if (extra.index < leaf.counts.kept !== isPublished || extra.count < leaf.counts.kept) {
    throw new MizuError(
      'PROOF_INVALID',
      `Entry ${extra.index} of ${extra.count} is not among the ${isPublished ? 'published' : 'dropped'} ones of its leaf`,
    );
  }
  const { origin, size } = verified.checkpoint;
  if (leaf.k !== id.k || (drop !== undefined && drop.i !== id.i))
    throw new MizuError('PROOF_INVALID', `The proof is of another candidate than ${formatRecordId(id)}`);
  if (!origin.endsWith(`/${id.name}/${id.generation}`))
    throw new MizuError('PROOF_INVALID', `The checkpoint is of '${origin}', the record of ${id.name}/${id.generation}`);
  return {
    id: formatRecordId(id),
    kind: drop?.kind ?? 'published',
    row: extra.record === undefined ? undefined : decodeRow(extra.schema, extra.record),
    schema: extra.schema,
    drop:
      drop === undefined
        ? undefined
        : { step: drop.step, rule: drop.rule, measured: drop.measured, limit: drop.limit, code: drop.code, message: drop.message },
    program: toHex(leaf.program),
    task: `${leaf.stage}/${leaf.partition}/${leaf.k}`,
    origin,
    treeSize: Number(size),
    leafIndex: Number(proof.index),
  };
}

function decodeRow(schema: Schema, record: Uint8Array): Row {
  return decodeOr('its record', () => {
    const reader = new ByteReader(record);
    const row = recordCodec(schema).decode(reader) as Row;
    if (!reader.done) throw new MizuError('BYTES_INVALID', 'bytes are left over');
    return row;
  });
}

function decodeOr<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw new MizuError('PROOF_INVALID', `The proof's extra line: ${what} can't be read: ${messageOf(error)}`, { cause: error });
  }
}

interface Extra {
  readonly id: RecordId;
  readonly record: Uint8Array | undefined;
  readonly drop: Uint8Array | undefined;
  readonly index: number;
  readonly count: number;
  readonly path: readonly Uint8Array[];
  readonly leaf: Uint8Array;
  readonly schema: Schema;
}

function readExtra(bytes: Uint8Array): Extra {
  const json = decodeOr('it', () => parseStrictJson(bytes));
  const fault = (what: string): MizuError => new MizuError('PROOF_INVALID', `The proof's extra line has no valid '${what}'`);
  if (json === null || typeof json !== 'object' || Array.isArray(json)) throw fault('object');
  const object = json as { readonly [key: string]: Json };
  const text = (name: string): string => {
    const value = object[name];
    if (typeof value !== 'string') throw fault(name);
    return value;
  };
  const number = (name: string): number => {
    const value = object[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw fault(name);
    return value;
  };
  if (object['v'] !== PROOF_VERSION) throw fault('v');
  const path = object['path'];
  if (!Array.isArray(path) || !path.every((hash) => typeof hash === 'string')) throw fault('path');
  const schema = object['schema'];
  if (!isSchema(schema)) throw fault('schema');
  const hasRecord = 'record' in object;
  const unknown = Object.keys(object).find((name) => !EXTRA_FIELDS.includes(name));
  if (unknown !== undefined)
    throw new MizuError('PROOF_INVALID', `The proof's extra line has a field '${unknown.slice(0, 80)}' that no proof has`);
  if (!equalBytes(canonicalBytes(json), bytes))
    throw new MizuError('PROOF_INVALID', `The proof's extra line is not canonical JSON (RFC 8785)`);
  const id = decodeOr('its id', () => parseRecordId(text('id')));
  if (formatRecordId(id) !== object['id'] || id.i > CANDIDATE_LIMIT) throw fault('id');
  if (hasRecord === 'drop' in object) throw fault('record');
  return {
    id,
    record: hasRecord ? decodeOr('its record', () => fromBase64(text('record'))) : undefined,
    drop: hasRecord ? undefined : decodeOr('its drop', () => fromBase64(text('drop'))),
    index: number('index'),
    count: number('count'),
    path: path.map((hash) => decodeOr('its path', () => fromBase64(hash as string))),
    leaf: decodeOr('its leaf', () => fromBase64(text('leaf'))),
    schema,
  };
}
