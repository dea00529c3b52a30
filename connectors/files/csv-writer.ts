/**
 * CSV after RFC 4180: a header row, CRLF line ends, quotes where needed. Lists, maps and records are JSON text, bytes base64;
 * null is an empty field and an empty text is `""`, so that the two stay apart.
 */
import type { FieldType, Row, Schema, Value } from '#kernel';
import { AtomicFile } from './atomic-file.ts';
import { ID_COLUMN, isFlat, jsonOf } from './export-values.ts';
import type { RecordWriter, RecordWriterOptions } from './record-writer.ts';

const LINE_END = '\r\n';
const NEEDS_QUOTES = /[",\r\n]/;
/** OWASP, CSV injection: what spreadsheets take for the start of a formula. */
const FORMULA_START = /^[=+\-@\t\r]/;

export class CsvWriter implements RecordWriter {
  readonly #file: AtomicFile;
  readonly #schema: Schema;
  readonly #guardFormulas: boolean;

  constructor({ dir, name, schema, guardFormulas = false }: RecordWriterOptions) {
    this.#file = new AtomicFile(dir, `${name}.csv`);
    this.#schema = schema;
    this.#guardFormulas = guardFormulas;
    this.#line([ID_COLUMN, ...schema.map((field) => field.name)].map(quoted));
  }

  write(row: Row, id: string): void {
    this.#line([quoted(id), ...this.#schema.map(({ name, type }) => this.#cell(row[name], type))]);
  }

  async close() {
    return { files: [this.#file.close()] };
  }

  discard(): void {
    this.#file.discard();
  }

  #line(cells: readonly string[]): void {
    this.#file.write(Buffer.from(cells.join(',') + LINE_END));
  }

  #cell(value: Value | undefined, type: FieldType): string {
    if (value === null || value === undefined) return '';
    if (typeof value !== 'string') {
      const json = jsonOf(value, type);
      return value instanceof Uint8Array ? json.slice(1, -1) : isFlat(type) ? (json === 'null' ? '' : json) : quoted(json);
    }
    if (value === '') return '""';
    return quoted(this.#guardFormulas && FORMULA_START.test(value) ? `'${value}` : value);
  }
}

function quoted(text: string): string {
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
