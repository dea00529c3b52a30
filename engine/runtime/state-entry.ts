/**
 * One step's deltas on the state topic: Avro {k: long, resumeAt: long, deltas, states: arrays of bytes}. The state is their fold (P14);
 * `states` says to which chained state each op came, so that a successor sees that snapshot and deltas belong together.
 */
import { MizuError } from '../contract/errors.ts';
import { ByteReader } from '../proof/byte-reader.ts';
import { ByteWriter } from '../proof/byte-writer.ts';

export interface StateEntry {
  readonly k: number;
  /** Offset in the stage's frames from which a successor reads. */
  readonly resumeAt: number;
  /** One per keyed op of the stage, in order. */
  readonly deltas: readonly Uint8Array[];
  /** Chained state after the step, one per keyed op. */
  readonly states: readonly Uint8Array[];
}

export function encodeStateEntry(entry: StateEntry): Uint8Array {
  const writer = new ByteWriter();
  writer.long(entry.k);
  writer.long(entry.resumeAt);
  writeArray(writer, entry.deltas);
  writeArray(writer, entry.states);
  return writer.take();
}

/** @throws BYTES_INVALID for anything that `encodeStateEntry` would not write. */
export function decodeStateEntry(bytes: Uint8Array): StateEntry {
  const reader = new ByteReader(bytes);
  const head = { k: reader.long(), resumeAt: reader.long() };
  const deltas = readArray(reader, head.k);
  const states = readArray(reader, head.k);
  if (!reader.done) throw new MizuError('BYTES_INVALID', `State of step ${head.k} has bytes left over`);
  if (states.length !== deltas.length)
    throw new MizuError('BYTES_INVALID', `State of step ${head.k} has ${deltas.length} deltas and ${states.length} states`);
  return { ...head, deltas, states };
}

function writeArray(writer: ByteWriter, items: readonly Uint8Array[]): void {
  if (items.length > 0) writer.long(items.length);
  for (const item of items) writer.bytes(item);
  writer.long(0);
}

function readArray(reader: ByteReader, k: number): Uint8Array[] {
  const items: Uint8Array[] = [];
  let count = reader.long();
  for (; count > 0; count = reader.long()) for (let n = 0; n < count; n++) items.push(reader.bytes());
  if (count !== 0) throw new MizuError('BYTES_INVALID', `State of step ${k}: a block of bytes in a form that is never written`);
  return items;
}
