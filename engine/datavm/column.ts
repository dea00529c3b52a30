/**
 * Columns of a block: text and bytes as UTF-8 with start and end of each, numbers and booleans as typed arrays, nested values as canonical Avro
 * bytes. A text stands behind its Avro length, so that what an op made of a field is, as it lies there, what its effect commits to and what a
 * record is put together from: nothing is copied for either.
 */
import { invariant } from '../contract/errors.ts';
import type { BytesColumn, ValueRoom } from '../contract/executor.ts';
import type { FieldType, Layout } from '../contract/types.ts';
import { layoutOf } from '../contract/types.ts';
import type { ByteWriter } from '../proof/byte-writer.ts';

export interface BytesLayout extends BytesColumn {
  readonly layout: 'bytes' | 'encoded';
}
export interface NumbersLayout {
  readonly layout: 'numbers';
  readonly values: Float64Array;
}
export interface BooleansLayout {
  readonly layout: 'booleans';
  readonly values: Uint8Array;
}

export type Column = BytesLayout | NumbersLayout | BooleansLayout;

/** Bytes of column data that rows `rows` hold. */
export function columnBytes(column: Column, rows: Uint32Array): number {
  if (column.layout === 'numbers') return rows.length * 8;
  if (column.layout === 'booleans') return rows.length;
  let sum = 0;
  for (const row of rows) sum += (column.ends[row] ?? 0) - (column.starts[row] ?? 0);
  return sum;
}

export function sliceOf(column: BytesLayout, row: number): Uint8Array {
  return column.data.subarray(column.starts[row], column.ends[row]);
}

/** Writes a value in its Avro form: a text with its length before it. */
export function writeAvro(writer: ByteWriter, column: BytesLayout, row: number): void {
  const start = column.starts[row] ?? 0;
  const end = column.ends[row] ?? 0;
  if (column.layout === 'encoded') writer.range(column.data, start, end);
  else if (end === 0) writer.byte(EMPTY_TEXT);
  else writer.range(column.data, start - lengthBytes(end - start), end);
}

/** A row that was never set is an empty text. */
const EMPTY_TEXT = 0;

/** Bytes of a length as zigzag varint. */
function lengthBytes(length: number): number {
  if (length < 0x40) return 1;
  if (length < 0x2000) return 2;
  if (length < 0x100000) return 3;
  return length < 0x8000000 ? 4 : 5;
}

const INITIAL_BYTES_PER_ROW = 16;
const INITIAL_BYTES_LEAST = 256;

/** Builds a column of variable-length bytes; appends only, in ascending order of rows. */
export class BytesBuilder {
  data: Buffer;
  private readonly layout: 'bytes' | 'encoded';
  private readonly starts: Uint32Array;
  private readonly ends: Uint32Array;
  private used = 0;
  private row = -1;
  /** Where the next value may be written, and how many bytes were asked for. */
  private at = 0;
  private asked = 0;

  /** `bytes`: how many are expected. */
  constructor(length: number, layout: 'bytes' | 'encoded', bytes = length * INITIAL_BYTES_PER_ROW) {
    this.layout = layout;
    this.starts = new Uint32Array(length);
    this.ends = new Uint32Array(length);
    this.data = Buffer.allocUnsafeSlow(Math.max(INITIAL_BYTES_LEAST, bytes));
  }

  /** Bytes of all values so far. */
  get length(): number {
    return this.used;
  }

  reserve(bytes: number): number {
    this.asked = bytes;
    this.at = this.used + (this.layout === 'bytes' ? lengthBytes(bytes) : 0);
    const end = this.at + bytes;
    if (end > this.data.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(end, this.data.length * 2));
      grown.set(this.data.subarray(0, this.used));
      this.data = grown;
    }
    return this.at;
  }

  commit(row: number, length: number): void {
    invariant(row > this.row && row < this.starts.length, `rows of a column must ascend: ${row} after ${this.row}`);
    invariant(length <= this.asked, `a value of ${length} bytes was written where ${this.asked} were reserved`);
    let start = this.at;
    if (this.layout === 'bytes') {
      const head = lengthBytes(length);
      if (this.used + head !== start) {
        this.data.copyWithin(this.used + head, start, start + length);
        start = this.used + head;
      }
      writeLength(this.data, this.used, length);
    }
    this.row = row;
    this.starts[row] = start;
    this.used = start + length;
    this.ends[row] = this.used;
    this.asked = 0;
  }

  set(row: number, bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.data.set(bytes, at);
    this.commit(row, bytes.length);
  }

  /** The values in Avro, one after the other. Later values do not change it. */
  values(): Uint8Array {
    return this.data.subarray(0, this.used);
  }

  /** Takes a value for a row that is not set, whatever the order; it comes after those of `values`. */
  fill(row: number, bytes: Uint8Array): void {
    const last = this.row;
    this.row = -1;
    this.set(row, bytes);
    this.row = last;
  }

  finish(): BytesLayout {
    return { layout: this.layout, starts: this.starts, ends: this.ends, data: this.data };
  }
}

function writeLength(data: Uint8Array, at: number, length: number): void {
  let place = at;
  let rest = length * 2;
  while (rest > 0x7f) {
    data[place++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  data[place] = rest;
}

/** What an op set in one field: values by row, and which rows. */
export class ColumnPatch implements ValueRoom {
  readonly layout: Layout;
  /** Absent for numbers and booleans. */
  readonly bytes: BytesBuilder | undefined;
  private readonly set: Uint32Array;
  private count = 0;
  private readonly values: Float64Array | Uint8Array | undefined;

  /** `bytes`: how many are expected of a layout with bytes. */
  constructor(type: FieldType, length: number, bytes?: number) {
    this.layout = layoutOf(type);
    this.set = new Uint32Array(length);
    if (this.layout === 'numbers') this.values = new Float64Array(length);
    else if (this.layout === 'booleans') this.values = new Uint8Array(length);
    else this.bytes = new BytesBuilder(length, this.layout, bytes);
  }

  /** Rows that were set, ascending. */
  get rows(): Uint32Array {
    return this.set.subarray(0, this.count);
  }

  setBytes(row: number, value: Uint8Array): void {
    this.builder.set(row, value);
    this.set[this.count++] = row;
  }

  get data(): Uint8Array {
    return this.builder.data;
  }

  reserve(bytes: number): number {
    return this.builder.reserve(bytes);
  }

  commit(row: number, length: number): void {
    this.builder.commit(row, length);
    this.set[this.count++] = row;
  }

  private get builder(): BytesBuilder {
    invariant(this.bytes !== undefined, `a ${this.layout} column takes no bytes`);
    return this.bytes;
  }

  setValue(row: number, value: number): void {
    invariant(this.values !== undefined, `a ${this.layout} column takes no number`);
    const last = this.count === 0 ? -1 : (this.set[this.count - 1] ?? 0);
    invariant(row >= last, `rows of a column must ascend: ${row} after ${last}`);
    this.values[row] = value;
    if (row > last) this.set[this.count++] = row;
  }

  finish(): Column {
    if (this.bytes !== undefined) return this.bytes.finish();
    if (this.values instanceof Float64Array) return { layout: 'numbers', values: this.values };
    invariant(this.values !== undefined, 'a patch holds values');
    return { layout: 'booleans', values: this.values };
  }
}

/** The old column with the patched rows replaced; of rows that are not live nothing is kept. */
export function mergeColumn(old: Column | undefined, patch: ColumnPatch, live: Uint32Array): Column {
  const { rows } = patch;
  if (old === undefined || rows.length === live.length) return patch.finish();
  if (patch.bytes === undefined) return mergeValues(old, patch.finish(), rows);
  invariant('starts' in old, 'a field keeps its layout');
  let next = 0;
  for (const row of live) {
    if (rows[next] === row) next++;
    else patch.bytes.fill(row, sliceOf(old, row));
  }
  return patch.finish();
}

function mergeValues(old: Column, patch: Column, rows: Uint32Array): Column {
  if (patch.layout === 'numbers' && old.layout === 'numbers') {
    const values = old.values.slice();
    for (const row of rows) values[row] = patch.values[row] ?? 0;
    return { layout: 'numbers', values };
  }
  invariant(patch.layout === 'booleans' && old.layout === 'booleans', 'a field keeps its layout');
  const values = old.values.slice();
  for (const row of rows) values[row] = patch.values[row] ?? 0;
  return { layout: 'booleans', values };
}

/** Whether two columns hold the same value at a row. */
export function sameAt(a: Column, b: Column, row: number): boolean {
  if ('values' in a) return 'values' in b && Object.is(a.values[row], b.values[row]);
  if ('values' in b) return false;
  const x = sliceOf(a, row);
  const y = sliceOf(b, row);
  return x.length === y.length && Buffer.compare(x, y) === 0;
}
