/**
 * Parquet. The bytes depend on the rows alone (law 1): `created_by` is fixed, values are PLAIN and uncompressed, and neither statistics nor indexes
 * are written, so no heuristic of a library version shows. A row group is written out when it is full, so memory is bounded (law 6).
 * Lists, maps and records are JSON text.
 */
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { BasicType, ColumnSource } from 'hyparquet-writer';
import type { SchemaElement } from 'hyparquet';
import type { FieldType, Row, Schema, Value } from '#kernel';
import { AtomicFile } from './atomic-file.ts';
import { ID_COLUMN, isFlat, jsonOf } from './export-values.ts';
import { ROW_GROUP_BYTES, ROW_GROUP_ROWS } from './limits.ts';
import type { RecordWriter, RecordWriterOptions } from './record-writer.ts';

const CREATED_BY = 'mizu';

type Cell = string | number | bigint | boolean | Uint8Array | null;

interface Column {
  readonly name: string;
  readonly type: FieldType;
  readonly stored: BasicType;
  cells: Cell[];
}

export class ParquetFileWriter implements RecordWriter {
  readonly #file: AtomicFile;
  readonly #bytes = new ByteWriter();
  readonly #parquet: ParquetWriter;
  readonly #ids: Column;
  readonly #columns: readonly Column[];
  #groupBytes = 0;

  constructor({ dir, name, schema }: RecordWriterOptions) {
    this.#file = new AtomicFile(dir, `${name}.parquet`);
    this.#ids = columnOf({ name: ID_COLUMN, type: 'string' });
    this.#columns = schema.map(columnOf);
    this.#parquet = new ParquetWriter({
      writer: this.#bytes,
      schema: parquetSchema([{ name: ID_COLUMN, type: 'string' }, ...schema]),
      codec: 'UNCOMPRESSED',
      statistics: false,
      createdBy: CREATED_BY,
    });
  }

  write(row: Row, id: string): void {
    this.#put(this.#ids, id);
    for (const column of this.#columns) this.#put(column, cellOf(row[column.name], column.type));
    if (this.#ids.cells.length >= ROW_GROUP_ROWS || this.#groupBytes >= ROW_GROUP_BYTES) this.#endGroup();
  }

  async close() {
    this.#endGroup();
    await this.#parquet.finish();
    this.#drain();
    return { files: [this.#file.close()] };
  }

  discard(): void {
    this.#file.discard();
  }

  #put(column: Column, cell: Cell): void {
    column.cells.push(cell);
    this.#groupBytes += typeof cell === 'string' || cell instanceof Uint8Array ? cell.length + 4 : 8;
  }

  #endGroup(): void {
    const rows = this.#ids.cells.length;
    if (rows === 0) return;
    const columnData: ColumnSource[] = [this.#ids, ...this.#columns].map(({ name, cells, stored }) => ({
      name,
      data: cells,
      type: stored,
      encoding: 'PLAIN',
      offsetIndex: false,
    }));
    // Waits for nothing: only a writer with a `flush` of its own makes a promise of it.
    void this.#parquet.write({ columnData, rowGroupSize: rows });
    for (const column of [this.#ids, ...this.#columns]) column.cells = [];
    this.#groupBytes = 0;
    this.#drain();
  }

  /** Hands what was encoded to the file; `offset`, which the footer refers to, goes on counting. */
  #drain(): void {
    this.#file.write(Uint8Array.from(this.#bytes.getBytes()));
    this.#bytes.index = 0;
  }
}

function columnOf({ name, type }: Schema[number]): Column {
  return { name, type, stored: storedType(type), cells: [] };
}

function storedType(type: FieldType): BasicType {
  const inner = typeof type === 'object' && 'optional' in type ? type.optional : type;
  if (inner === 'long') return 'INT64';
  if (inner === 'double') return 'DOUBLE';
  if (inner === 'boolean') return 'BOOLEAN';
  return inner === 'bytes' ? 'BYTE_ARRAY' : 'STRING';
}

function parquetSchema(schema: Schema): SchemaElement[] {
  const columns = schema.map(({ name, type }): SchemaElement => {
    const stored = storedType(type);
    const repetition = { repetition_type: typeof type === 'object' && 'optional' in type ? 'OPTIONAL' : 'REQUIRED' } as const;
    if (stored === 'STRING') return { name, type: 'BYTE_ARRAY', converted_type: 'UTF8', ...repetition };
    if (stored === 'INT64' || stored === 'DOUBLE' || stored === 'BOOLEAN') return { name, type: stored, ...repetition };
    return { name, type: 'BYTE_ARRAY', ...repetition };
  });
  return [{ name: 'root', num_children: columns.length }, ...columns];
}

function cellOf(value: Value | undefined, type: FieldType): Cell {
  if (value === null || value === undefined) return null;
  if (!isFlat(type)) return jsonOf(value, type);
  if (typeof value === 'number') return storedType(type) === 'INT64' ? BigInt(value) : value;
  return typeof value === 'string' || typeof value === 'boolean' || value instanceof Uint8Array ? value : jsonOf(value, type);
}
