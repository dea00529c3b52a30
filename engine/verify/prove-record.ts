/**
 * Portable proof of one record (P11): record → publish leaf → checkpoint, in a c2sp.org/tlog-proof@v1 file whose extra line carries
 * the record, its path inside the leaf, and the leaf. Anyone can check it offline with the verifier key alone: verify-proof.ts.
 */
import { MizuError } from '../contract/errors.ts';
import type { RecordId } from '../contract/ids.ts';
import { formatRecordId } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Json } from '../contract/program.ts';
import { toJson } from '../compile/to-json.ts';
import { openCheckpoint } from '../proof/checkpoint.ts';
import { encodeDrop } from '../proof/effect.ts';
import { dropEntry, publishedEntry } from '../proof/frame.ts';
import { canonicalBytes } from '../proof/jcs.ts';
import type { Leaf } from '../proof/leaf.ts';
import { decodeLeaf } from '../proof/leaf.ts';
import { inclusionPath, leafHash } from '../proof/merkle.ts';
import { parseVkey } from '../proof/note.ts';
import { sha256, toBase64 } from '../proof/sha256.ts';
import { TileReader } from '../proof/tile-reader.ts';
import { formatTlogProof } from '../proof/tlog-proof.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { RunTopics } from '../runtime/topics.ts';
import { findRecord } from './find-record.ts';
import { newestCheckpoint, tileSource } from './tile-store.ts';
import { verifierKeyOf } from './verifier-key.ts';
import { PROOF_VERSION, verifyProof } from './verify-proof.ts';

export interface RecordProof {
  /** The tlog-proof file. */
  readonly text: string;
  readonly verifierKey: string;
}

/**
 * Proves that a record was published, or that it was dropped and why. The proof is checked before it is given away.
 * @throws NOT_FOUND; CHECK_FAILED when no signed checkpoint covers the record yet; PROOF_INVALID, LOG_CORRUPT when the log was changed.
 */
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
      ? { drop: toBase64(drop === undefined ? new Uint8Array(0) : encodeDrop(drop)) }
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
  const text = formatTlogProof({ index: BigInt(position), path, checkpoint: note, extra });
  verifyProof(text, verifierKey);
  return { text, verifierKey };
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
  if (low === size) {
    throw new MizuError(
      'CHECK_FAILED',
      `The newest signed checkpoint covers ${size} leaves, and that of the record is not yet among them`,
      {
        hint: 'Let the run finish, then try again.',
      },
    );
  }
  throw new MizuError('LOG_CORRUPT', 'The tree has no publish leaf for the record');
}
