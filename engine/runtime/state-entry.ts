/** One step's deltas on the state topic: Avro {k: long, resumeAt: long, deltas: array of bytes}. The state is their fold (P14). */
import { MizuError } from '../contract/errors.ts';
import { ByteReader, ByteWriter } from '../proof/bytes.ts';

export interface StateEntry {
  readonly k: number;
  /** Offset in the stage's frames from which a successor reads. */
  readonly resumeAt: number;
  /** One per keyed op of the stage, in order. */
  readonly deltas: readonly Uint8Array[];
}

export function encodeStateEntry(entry: StateEntry): Uint8Array {
  const writer = new ByteWriter();
  writer.long(entry.k);
  writer.long(entry.resumeAt);
  if (entry.deltas.length > 0) writer.long(entry.deltas.length);
  for (const delta of entry.deltas) writer.bytes(delta);
  writer.long(0);
  return writer.take();
}

/** @throws BYTES_INVALID for anything that `encodeStateEntry` would not write. */
export function decodeStateEntry(bytes: Uint8Array): StateEntry {
  const reader = new ByteReader(bytes);
  const head = { k: reader.long(), resumeAt: reader.long() };
  const deltas: Uint8Array[] = [];
  let count = reader.long();
  for (; count > 0; count = reader.long()) for (let n = 0; n < count; n++) deltas.push(reader.bytes());
  if (count !== 0) throw new MizuError('BYTES_INVALID', `State of step ${head.k}: a block of deltas in a form that is never written`);
  if (!reader.done) throw new MizuError('BYTES_INVALID', `State of step ${head.k} has bytes left over`);
  return { ...head, deltas };
}
