/**
 * Columns of a block: text and bytes as UTF-8 with offsets (Arrow's layout is the model), numbers and booleans as typed arrays,
 * nested values as canonical Avro bytes with offsets. A builder takes values in ascending order of rows and fills the gaps
 * with empty ones, so that a dropped record costs nothing but an offset.
 */
import { invariant } from '../contract/errors.ts';
import type { FieldType, Layout } from '../contract/types.ts';
import { layoutOf } from '../contract/types.ts';

export interface BytesLayout {
  readonly layout: 'bytes' | 'encoded';
  readonly offsets: Uint32Array;
  readonly data: Uint8Array;
}
export interface NumbersLayout {
  readonly layout: 'numbers';
  readonly values: Float64Array;
}
export interface BooleansLayout {
  readonly layout: 'booleans';
  readonly values: Uint8Array;
}

/** A column as plain data: can be posted to another thread. */
export type Column = BytesLayout | NumbersLayout | BooleansLayout;

/** Bytes of column data that rows `rows` hold. */
export function columnBytes(column: Column, rows: Uint32Array): number {
  if (column.layout === 'numbers') return rows.length * 8;
  if (column.layout === 'booleans') return rows.length;
  let sum = 0;
  for (const row of rows) sum += (column.offsets[row + 1] ?? 0) - (column.offsets[row] ?? 0);
  return sum;
}

export function sliceOf(column: BytesLayout, row: number): Uint8Array {
  return column.data.subarray(column.offsets[row], column.offsets[row + 1]);
}

const INITIAL_BYTES_PER_ROW = 16;

/** Builds a column of variable-length bytes; appends only. */
export class BytesBuilder {
  private data: Uint8Array;
  private readonly offsets: Uint32Array;
  private used = 0;
  private row = 0;
  private readonly length: number;

  constructor(length: number) {
    this.length = length;
    this.offsets = new Uint32Array(length + 1);
    this.data = new Uint8Array(Math.max(64, length * INITIAL_BYTES_PER_ROW));
  }

  set(row: number, bytes: Uint8Array): void {
    invariant(row >= this.row && row < this.length, `rows of a column must ascend: ${row} after ${this.row - 1}`);
    while (this.row <= row) this.offsets[this.row++] = this.used;
    const end = this.used + bytes.length;
    if (end > this.data.length) {
      const grown = new Uint8Array(Math.max(end, this.data.length * 2));
      grown.set(this.data.subarray(0, this.used));
      this.data = grown;
    }
    this.data.set(bytes, this.used);
    this.used = end;
  }

  finish(layout: 'bytes' | 'encoded'): BytesLayout {
    while (this.row <= this.length) this.offsets[this.row++] = this.used;
    return { layout, offsets: this.offsets, data: this.data.slice(0, this.used) };
  }
}

/** What an op set in one field: values by row, and which rows. */
export class ColumnPatch {
  readonly layout: Layout;
  readonly rows: number[] = [];
  private readonly bytes: BytesBuilder | undefined;
  private readonly values: Float64Array | Uint8Array | undefined;

  constructor(type: FieldType, length: number) {
    this.layout = layoutOf(type);
    if (this.layout === 'numbers') this.values = new Float64Array(length);
    else if (this.layout === 'booleans') this.values = new Uint8Array(length);
    else this.bytes = new BytesBuilder(length);
  }

  setBytes(row: number, value: Uint8Array): void {
    invariant(this.bytes !== undefined, `a ${this.layout} column takes no bytes`);
    this.bytes.set(row, value);
    this.rows.push(row);
  }

  setValue(row: number, value: number): void {
    invariant(this.values !== undefined, `a ${this.layout} column takes no number`);
    this.values[row] = value;
    this.rows.push(row);
  }

  finish(): Column {
    if (this.bytes !== undefined) return this.bytes.finish(this.layout === 'encoded' ? 'encoded' : 'bytes');
    if (this.values instanceof Float64Array) return { layout: 'numbers', values: this.values };
    invariant(this.values !== undefined, 'a patch holds values');
    return { layout: 'booleans', values: this.values };
  }
}

/** The old column with the patched rows replaced. */
export function mergeColumn(old: Column | undefined, patch: Column, rows: readonly number[], length: number): Column {
  if (old === undefined) return patch;
  if (patch.layout === 'numbers' && old.layout === 'numbers') {
    const values = old.values.slice();
    for (const row of rows) values[row] = patch.values[row] ?? 0;
    return { layout: 'numbers', values };
  }
  if (patch.layout === 'booleans' && old.layout === 'booleans') {
    const values = old.values.slice();
    for (const row of rows) values[row] = patch.values[row] ?? 0;
    return { layout: 'booleans', values };
  }
  invariant('offsets' in patch && 'offsets' in old, 'a field keeps its layout');
  const builder = new BytesBuilder(length);
  let next = 0;
  for (let row = 0; row < length; row++) {
    if (rows[next] === row) {
      builder.set(row, sliceOf(patch, row));
      next++;
    } else builder.set(row, sliceOf(old, row));
  }
  return builder.finish(patch.layout);
}

/** Whether two columns hold the same value at a row. */
export function sameAt(a: Column, b: Column, row: number): boolean {
  if ('values' in a) return 'values' in b && Object.is(a.values[row], b.values[row]);
  if ('values' in b) return false;
  const x = sliceOf(a, row);
  const y = sliceOf(b, row);
  return x.length === y.length && Buffer.compare(x, y) === 0;
}
