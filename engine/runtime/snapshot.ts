/**
 * A snapshot of the keyed state of one partition (P14), as it stands on the topic `snapshots-N`: a segment of steps first … next−1. For an op whose state
 * grows it holds the deltas of these steps, put together; all live segments make the state, and none is ever copied again. For an op
 * whose state is bounded it holds the whole state, so that only the last segment counts.
 *
 * Why it can be trusted as much as the deltas: each op's part begins and ends with the chained state to which the leaves commit. Deltas are
 * hashed along that chain before the next segment is used, so they are those of the run or refused; a whole state is covered by the digest at the
 * end, compared with a fold of its own by `replay`. Snapshots are in no leaf: whether and when they were written changes no root (law 1).
 *
 * Form: Avro long version, first, next, resumeAt, stateAt, oldestAt, slot, count of ops; for each op fixed 32 before, fixed 32 after, boolean whole, then
 * bytes, the whole state, or next − first times bytes, the deltas; fixed 32, the SHA-256 of all that.
 */
import { MizuError } from '../contract/errors.ts';
import type { OpSnapshot } from '../datavm/keyed-state.ts';
import { ByteReader } from '../proof/byte-reader.ts';
import { ByteWriter } from '../proof/byte-writer.ts';
import { DIGEST_BYTES, equalBytes, sha256 } from '../proof/sha256.ts';

const SNAPSHOT_VERSION = 1;
/** Written for `oldestAt` by a segment that needs no other. */
const ITSELF = -1;

export interface Snapshot {
  readonly first: number;
  readonly next: number;
  /** Offset in the stage's frames from which a successor reads. */
  readonly resumeAt: number;
  /** Offset of the state entry of step next−1. */
  readonly stateAt: number;
  /** Offset of the first segment that this state needs; undefined: this one. */
  readonly oldestAt: number | undefined;
  /** Names the place of this segment on the compacted topic; free again once no step needs it. */
  readonly slot: number;
  readonly ops: readonly OpSnapshot[];
}

export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const content = snapshot.ops.flatMap((op) => ('whole' in op.content ? [op.content.whole] : op.content.deltas));
  const writer = new ByteWriter(content.reduce((sum, bytes) => sum + bytes.length + 8, 256 + 80 * snapshot.ops.length));
  for (const value of [SNAPSHOT_VERSION, snapshot.first, snapshot.next, snapshot.resumeAt, snapshot.stateAt]) writer.long(value);
  writer.long(snapshot.oldestAt ?? ITSELF);
  writer.long(snapshot.slot);
  writer.long(snapshot.ops.length);
  for (const op of snapshot.ops) {
    writer.raw(op.before);
    writer.raw(op.after);
    writer.boolean('whole' in op.content);
    for (const bytes of 'whole' in op.content ? [op.content.whole] : op.content.deltas) writer.bytes(bytes);
  }
  writer.raw(sha256(writer.view()));
  return writer.take();
}

/** The digest is compared before anything is read. @throws BYTES_INVALID */
export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  const body = bytes.subarray(0, Math.max(0, bytes.length - DIGEST_BYTES));
  if (!equalBytes(sha256(body), bytes.subarray(body.length)))
    throw new MizuError('BYTES_INVALID', `A snapshot of ${bytes.length} bytes does not have the digest that it ends with`);
  const reader = new ByteReader(body);
  const version = reader.long();
  if (version !== SNAPSHOT_VERSION)
    throw new MizuError('BYTES_INVALID', `A snapshot has version ${version}, this program reads ${SNAPSHOT_VERSION}`);
  const place = { first: reader.long(), next: reader.long(), resumeAt: reader.long(), stateAt: reader.long() };
  const oldestAt = reader.long();
  const slot = reader.long();
  const ops = Array.from({ length: reader.long() }, (): OpSnapshot => {
    const before = reader.fixed(DIGEST_BYTES);
    const after = reader.fixed(DIGEST_BYTES);
    const content = reader.boolean()
      ? { whole: reader.bytes() }
      : { deltas: Array.from({ length: place.next - place.first }, () => reader.bytes()) };
    return { before, after, content };
  });
  if (!reader.done) throw new MizuError('BYTES_INVALID', `The snapshot of steps ${place.first} to ${place.next - 1} has bytes left over`);
  return { ...place, oldestAt: oldestAt === ITSELF ? undefined : oldestAt, slot, ops };
}
