/** One interface for every export format: the same rows in the same order give the same bytes (law 1), whole files or none. */
import { MizuError } from '#kernel';
import type { Row, Schema } from '#kernel';
import type { WrittenFile } from './atomic-file.ts';
import { CsvWriter } from './csv-writer.ts';
import { ID_COLUMN } from './export-values.ts';
import { JsonlWriter } from './jsonl-writer.ts';

export type ExportFormat = 'jsonl' | 'csv' | 'parquet';
export const EXPORT_FORMATS: readonly ExportFormat[] = ['jsonl', 'csv', 'parquet'];

export interface RecordWriter {
  /** Rows in the order of the export. `id`: the record's id, written as column `_id`. @throws FILE_UNWRITABLE; then nothing is left. */
  write(row: Row, id: string): void;
  /** Ends the file and gives it its name. Once, and not after `discard`. */
  close(): Promise<{ readonly files: readonly WrittenFile[] }>;
  /** Gives the export up, leaving nothing. */
  discard(): void;
}

export interface RecordWriterOptions {
  /** Made if it is not there. */
  readonly dir: string;
  /** File name without its ending. */
  readonly name: string;
  readonly schema: Schema;
  /**
   * CSV only, default false: puts `'` before texts that begin with = + - @ tab or return, which spreadsheets would run as formulas
   * (OWASP, CSV injection). It changes those texts, so it has to be asked for.
   */
  readonly guardFormulas?: boolean;
}

/** @throws FILE_UNWRITABLE; INPUT_INVALID when a field has the name of the id column. */
export async function openRecordWriter(format: ExportFormat, options: RecordWriterOptions): Promise<RecordWriter> {
  if (options.schema.some((field) => field.name === ID_COLUMN)) {
    throw new MizuError('INPUT_INVALID', `The published field ${ID_COLUMN} has the name of the column that holds record ids`, {
      hint: 'Give the field another name.',
    });
  }
  if (format === 'jsonl') return new JsonlWriter(options);
  if (format === 'csv') return new CsvWriter(options);
  const { ParquetFileWriter } = await import('./parquet-writer.ts');
  return new ParquetFileWriter(options);
}
