/**
 * Where records of a delimited text end, found in its bytes: at each LF (JSONL), or at each LF outside quotes (CSV, RFC 4180). A splitter
 * keeps its state from chunk to chunk and never holds bytes.
 */

export interface RecordSplitter {
  /** Index of the LF that ends the current record at or after `from`, or −1 when the chunk ends first. */
  findEnd(chunk: Uint8Array, from: number): number;
  /** What is wrong when the file ends here; undefined when nothing is. */
  unfinished(): string | undefined;
}

export const LF = 0x0a;
export const CR = 0x0d;
const QUOTE = 0x22;

export class LineSplitter implements RecordSplitter {
  findEnd(chunk: Uint8Array, from: number): number {
    return chunk.indexOf(LF, from);
  }

  unfinished(): undefined {
    return undefined;
  }
}

type CsvState = 'fieldStart' | 'plain' | 'quoted' | 'quoteSeen';

/**
 * RFC 4180 section 2, rules 5–7: a quote opens a field only at its start, and is doubled inside. A quote elsewhere is left to the
 * parser of that record, so one bad record never swallows the next ones.
 */
export class CsvSplitter implements RecordSplitter {
  readonly #delimiter: number;
  #state: CsvState = 'fieldStart';

  /** `delimiter`: one ASCII character. */
  constructor(delimiter: string) {
    this.#delimiter = delimiter.charCodeAt(0);
  }

  findEnd(chunk: Uint8Array, from: number): number {
    for (let i = from; i < chunk.length; i += 1) {
      const byte = chunk[i];
      if (this.#state === 'quoted') {
        if (byte === QUOTE) this.#state = 'quoteSeen';
        continue;
      }
      if (byte === LF) {
        this.#state = 'fieldStart';
        return i;
      }
      if (byte === QUOTE && this.#state !== 'plain') this.#state = 'quoted';
      else this.#state = byte === this.#delimiter ? 'fieldStart' : 'plain';
    }
    return -1;
  }

  unfinished(): string | undefined {
    return this.#state === 'quoted' ? 'a quoted field is not closed' : undefined;
  }
}
