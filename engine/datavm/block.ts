/**
 * A block: an ordered run of records as columns, with one bit per record that says whether it is still live.
 * Owned by one execution at a time; ops see it through BlockView and change it only through their effects.
 */
import { invariant, MizuError } from '../contract/errors.ts';
import type { BlockView, BytesColumn } from '../contract/executor.ts';
import type { Field, FieldType, Row, Schema, Value } from '../contract/types.ts';
import { layoutOf } from '../contract/types.ts';
import { ByteReader } from '../proof/byte-reader.ts';
import type { ByteWriter } from '../proof/byte-writer.ts';
import { freeBytes } from '../proof/free-bytes.ts';
import { valueCodec } from '../proof/value-codec.ts';
import type { Column } from './column.ts';
import { BytesBuilder, sliceOf, writeAvro } from './column.ts';

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export class Block implements BlockView {
  readonly length: number;
  /** Candidate within the task, by row. */
  readonly indices: Uint32Array;
  /** Candidate index in the run of the task's first candidate. */
  readonly first: number;
  /** Fields in order; owned here, replaced by effects. */
  schema: Schema;
  private readonly columns = new Map<string, Column>();
  /** Of every column that it ever had. */
  private readonly buffers: Uint8Array[] = [];
  private readonly types = new Map<string, FieldType>();
  private live: Uint32Array;
  /** Set by the kernel when the block is made. */
  beta: Uint8Array | undefined;
  /** Fields that `row` shows: those the running op reads. Set by the kernel before each op. */
  visible: readonly string[] = [];

  constructor(first: number, indices: Uint32Array) {
    this.first = first;
    this.indices = indices;
    this.length = indices.length;
    this.schema = [];
    this.live = new Uint32Array(indices.length);
    for (let row = 0; row < indices.length; row++) this.live[row] = row;
  }

  get rows(): Uint32Array {
    return this.live;
  }

  candidate(row: number): number {
    return this.first + (this.indices[row] ?? 0);
  }

  has(field: string): boolean {
    return this.columns.has(field);
  }

  typeOf(field: string): FieldType {
    const type = this.types.get(field);
    invariant(type !== undefined, `no field '${field}' in the block`);
    return type;
  }

  column(field: string): Column {
    const column = this.columns.get(field);
    invariant(column !== undefined, `no field '${field}' in the block`);
    return column;
  }

  bytes(field: string): BytesColumn {
    const column = this.column(field);
    invariant(column.layout === 'bytes', `field '${field}' is no text`);
    return column;
  }

  numbers(field: string): Float64Array {
    const column = this.column(field);
    invariant(column.layout === 'numbers', `field '${field}' is no number`);
    return column.values;
  }

  booleans(field: string): Uint8Array {
    const column = this.column(field);
    invariant(column.layout === 'booleans', `field '${field}' is no boolean`);
    return column.values;
  }

  slice(field: string, row: number): Uint8Array {
    const column = this.column(field);
    invariant('starts' in column, `field '${field}' has no bytes`);
    return sliceOf(column, row);
  }

  text(field: string, row: number): string {
    return decoder.decode(this.slice(field, row));
  }

  value(field: string, row: number): Value {
    const column = this.column(field);
    if (column.layout === 'numbers') return column.values[row] ?? 0;
    if (column.layout === 'booleans') return column.values[row] === 1;
    const bytes = sliceOf(column, row);
    if (column.layout === 'encoded') return valueCodec(this.typeOf(field)).decode(new ByteReader(bytes));
    return this.typeOf(field) === 'string' ? decoder.decode(bytes) : bytes;
  }

  row(row: number): Row {
    const object: Record<string, Value> = Object.create(null);
    for (const field of this.visible) object[field] = this.value(field, row);
    return object;
  }

  /** Adds or replaces a field. */
  put(field: Field, column: Column): void {
    if (!this.columns.has(field.name)) this.schema = [...this.schema, field];
    this.columns.set(field.name, column);
    if ('data' in column) this.buffers.push(column.data);
    this.types.set(field.name, field.type);
  }

  remove(field: string): void {
    this.columns.delete(field);
    this.types.delete(field);
    this.schema = this.schema.filter((f) => f.name !== field);
  }

  /** Drops rows: `gone[row]` is non-zero. */
  drop(gone: Uint8Array): void {
    this.live = liveAfter(this.live, gone);
  }

  /** Gives the memory of its columns back. Nothing of the block is looked at any more: what left it was copied. */
  free(): void {
    for (const buffer of this.buffers) freeBytes(buffer);
  }

  /** Writes one record's canonical Avro bytes under the given fields. */
  encodeRow(writer: ByteWriter, schema: Schema, row: number): void {
    for (const field of schema) {
      const column = this.column(field.name);
      if (column.layout === 'numbers') {
        if (field.type === 'long') writer.long(column.values[row] ?? 0);
        else writer.double(column.values[row] ?? 0);
      } else if (column.layout === 'booleans') writer.byte(column.values[row] ?? 0);
      else writeAvro(writer, column, row);
    }
  }
}

/** The rows that are not gone. */
export function liveAfter(rows: Uint32Array, gone: Uint8Array): Uint32Array {
  const left = new Uint32Array(rows.length);
  let count = 0;
  for (const row of rows) if (gone[row] === 0) left[count++] = row;
  return count === rows.length ? rows : left.slice(0, count);
}

/** Makes columns from records' Avro bytes. @throws BYTES_INVALID for bytes that are not canonical under the schema. */
export function decodeRecords(first: number, indices: Uint32Array, schema: Schema, record: (row: number) => Uint8Array): Block {
  const block = new Block(first, indices);
  const length = indices.length;
  const targets = schema.map((field) => newTarget(field, length));
  for (let row = 0; row < length; row++) {
    const reader = new ByteReader(record(row));
    for (const target of targets) target.read(reader, row);
    if (!reader.done)
      throw new MizuError('BYTES_INVALID', `Record of candidate ${first + (indices[row] ?? 0)} has bytes left over after its last field`);
  }
  for (const target of targets) block.put(target.field, target.finish());
  return block;
}

interface Target {
  readonly field: Field;
  read(reader: ByteReader, row: number): void;
  finish(): Column;
}

function newTarget(field: Field, length: number): Target {
  const { type } = field;
  if (type === 'long' || type === 'double') {
    const values = new Float64Array(length);
    const read = type === 'long' ? (reader: ByteReader) => reader.long() : (reader: ByteReader) => reader.double();
    return {
      field,
      read: (reader, row) => {
        values[row] = read(reader);
      },
      finish: () => ({ layout: 'numbers', values }),
    };
  }
  if (type === 'boolean') {
    const values = new Uint8Array(length);
    return {
      field,
      read: (reader, row) => {
        values[row] = reader.boolean() ? 1 : 0;
      },
      finish: () => ({ layout: 'booleans', values }),
    };
  }
  const builder = new BytesBuilder(length, layoutOf(type) === 'encoded' ? 'encoded' : 'bytes');
  if (type === 'string' || type === 'bytes') {
    const read = type === 'string' ? (reader: ByteReader) => reader.textBytes() : (reader: ByteReader) => reader.bytes();
    return { field, read: (reader, row) => builder.set(row, read(reader)), finish: () => builder.finish() };
  }
  const codec = valueCodec(type);
  return {
    field,
    read: (reader, row) => {
      const start = reader.position;
      codec.decode(reader);
      builder.set(row, reader.since(start));
    },
    finish: () => builder.finish(),
  };
}
