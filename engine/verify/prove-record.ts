/**
 * Portable proof of one record (P11): record → publish leaf → checkpoint, in a c2sp.org/tlog-proof@v1 file whose extra line carries
 * the record, its path inside the leaf, and the leaf. Anyone can check it offline with the verifier key alone.
 */
import { messageOf, MizuError } from '../contract/errors.ts';
import type { RecordId } from '../contract/ids.ts';
import { formatRecordId, parseRecordId } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Measured } from '../contract/operator.ts';
import type { Json } from '../contract/program.ts';
import type { Row, Schema } from '../contract/types.ts';
import { ByteReader } from '../proof/bytes.ts';
import type { DropKind } from '../proof/effect.ts';
import { publishDigest } from '../datavm/step-machine.ts';
import { decodeDrop } from '../proof/effect.ts';
import { dropEntry, publishedEntry } from '../proof/frame.ts';
import { toJson } from '../compile/to-json.ts';
import { canonicalBytes } from '../proof/jcs.ts';
import { isSchema } from '../workflow/type-shapes.ts';
import { parseStrictJson } from '../proof/json-parser.ts';
import type { Leaf } from '../proof/leaf.ts';
import { decodeLeaf } from '../proof/leaf.ts';
import { inclusionPath, leafHash, verifyInclusion } from '../proof/merkle.ts';
import { openCheckpoint } from '../proof/checkpoint.ts';
import { parseVkey } from '../proof/note.ts';
import { equalBytes, fromBase64, sha256, toBase64, toHex } from '../proof/sha256.ts';
import { TileReader } from '../proof/tile-reader.ts';
import { formatTlogProof, parseTlogProof, verifyTlogProof } from '../proof/tlog-proof.ts';
import { recordCodec } from '../proof/value-codec.ts';
import type { DeployedRun } from '../runtime/deploy.ts';
import { RunTopics } from '../runtime/topics.ts';
import { verifierKeyOf } from './verifier-key.ts';
import { findRecord } from './find-record.ts';
import { newestCheckpoint, tileSource } from './tile-store.ts';

const PROOF_VERSION = 1;

export interface RecordProof {
  /** The tlog-proof file. */
  readonly text: string;
  readonly verifierKey: string;
}

/** Proves that a record was published, or that it was dropped and why. @throws NOT_FOUND, CHECK_FAILED. */
export async function proveRecord(log: Log, run: DeployedRun, id: RecordId): Promise<RecordProof> {
  const topics = new RunTopics(run.run);
  const { note, size } = await newestCheckpoint(log, topics);
  const verifierKey = await verifierKeyOf(log, run);
  openCheckpoint(note, { key: parseVkey(verifierKey) });
  const { partition, task, index } = await findRecord(log, run, id);
  const tiles = new TileReader(await tileSource(log, topics), size);
  const stage = run.program.stages.length - 1;
  const position = await findLeaf(
    tiles,
    size,
    (leaf) => leaf.k - id.k || leaf.stage - stage || leaf.partition - partition || (leaf.step === 'publish' ? 0 : -1),
  );
  const leaf = await tiles.entry(position);
  const entries = [...task.records.map(({ i, record }) => publishedEntry(i, sha256(record))), ...task.drops.map(dropEntry)].map(leafHash);
  const record = task.records[index];
  const drop = task.drops[index - task.records.length];
  const content: Json =
    record === undefined
      ? { drop: toBase64(drop === undefined ? new Uint8Array(0) : dropEntry(drop).subarray(1)) }
      : { record: toBase64(record.record) };
  const extra = canonicalBytes({
    v: PROOF_VERSION,
    id: formatRecordId(id),
    ...content,
    index,
    count: entries.length,
    path: inclusionPath(entries, index).map(toBase64),
    leaf: toBase64(leaf),
    schema: toJson(run.program.published),
  });
  const path = await tiles.inclusionPath(position);
  return { text: formatTlogProof({ index: BigInt(position), path, checkpoint: note, extra }), verifierKey };
}

/** Binary search over the tree, whose leaves stand in canonical order. */
async function findLeaf(tiles: TileReader, size: number, compare: (leaf: Leaf) => number): Promise<number> {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const order = compare(decodeLeaf(await tiles.entry(middle)));
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  throw new MizuError('LOG_CORRUPT', 'The tree has no publish leaf for the record');
}

export interface ProofReport {
  /** NAME/GENERATION/k.i */
  readonly id: string;
  readonly kind: 'published' | DropKind;
  /** Fields of a published record; undefined for a dropped one. */
  readonly row: Row | undefined;
  readonly schema: Schema;
  /** Why it was dropped. */
  readonly drop:
    | {
        readonly step: string;
        readonly rule: string;
        readonly measured: Measured | undefined;
        readonly limit: Measured | undefined;
        readonly code: string;
        readonly message: string;
      }
    | undefined;
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
  const id = parseRecordId(extra.id);
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
  const { origin, size } = verified.checkpoint;
  if (leaf.k !== id.k || (drop !== undefined && drop.i !== id.i))
    throw new MizuError('PROOF_INVALID', `The proof is of another candidate than ${extra.id}`);
  if (!origin.endsWith(`/${id.name}/${id.generation}`))
    throw new MizuError('PROOF_INVALID', `The checkpoint is of '${origin}', the record of ${id.name}/${id.generation}`);
  return {
    id: extra.id,
    kind: drop?.kind ?? 'published',
    row:
      extra.record === undefined
        ? undefined
        : decodeOr('its record', () => recordCodec(extra.schema).decode(new ByteReader(extra.record as Uint8Array)) as Row),
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

function decodeOr<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw new MizuError('PROOF_INVALID', `The proof's extra line: ${what} can't be read: ${messageOf(error)}`, { cause: error });
  }
}

interface Extra {
  readonly id: string;
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
  if (hasRecord === 'drop' in object) throw fault('record');
  return {
    id: text('id'),
    record: hasRecord ? decodeOr('its record', () => fromBase64(text('record'))) : undefined,
    drop: hasRecord ? undefined : decodeOr('its drop', () => fromBase64(text('drop'))),
    index: number('index'),
    count: number('count'),
    path: path.map((hash) => decodeOr('its path', () => fromBase64(hash as string))),
    leaf: decodeOr('its leaf', () => fromBase64(text('leaf'))),
    schema,
  };
}
