/** JSON Lines: one object a line, the record id first, then the fields in the order of the schema, each line ended by LF. */
import type { Row, Schema } from '#kernel';
import { AtomicFile } from './atomic-file.ts';
import { ID_COLUMN, jsonOf } from './export-values.ts';
import type { RecordWriter, RecordWriterOptions } from './record-writer.ts';

export class JsonlWriter implements RecordWriter {
  readonly #file: AtomicFile;
  readonly #schema: Schema;

  constructor({ dir, name, schema }: RecordWriterOptions) {
    this.#file = new AtomicFile(dir, `${name}.jsonl`);
    this.#schema = schema;
  }

  write(row: Row, id: string): void {
    const members = this.#schema.map(({ name, type }) => `,${JSON.stringify(name)}:${jsonOf(row[name], type)}`);
    this.#file.write(Buffer.from(`{"${ID_COLUMN}":${JSON.stringify(id)}${members.join('')}}\n`));
  }

  async close() {
    return { files: [this.#file.close()] };
  }

  discard(): void {
    this.#file.discard();
  }
}
