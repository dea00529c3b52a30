/** The values of a changed field, as an effect commits to them. */
import type { FieldType } from '../contract/types.ts';
import type { ByteWriter } from '../proof/byte-writer.ts';
import type { Column, ColumnPatch } from './column.ts';
import { writeAvro } from './column.ts';

/** The rows' values in Avro, one after the other. Where all that was set counts, they lie there already, as a view. */
export function changedValues(writer: ByteWriter, type: FieldType, patch: ColumnPatch, column: Column, rows: Uint32Array): Uint8Array {
  if (patch.bytes !== undefined && rows.length === patch.rows.length) return patch.bytes.values();
  writer.clear();
  for (const row of rows) {
    if ('starts' in column) writeAvro(writer, column, row);
    else if (column.layout === 'booleans') writer.byte(column.values[row] ?? 0);
    else if (type === 'long') writer.long(column.values[row] ?? 0);
    else writer.double(column.values[row] ?? 0);
  }
  return writer.take();
}
