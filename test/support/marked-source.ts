/** Workflows whose source of files is copied in many small steps, as large files are, and stopped, changed or awaited between them. */
import { createHash } from 'node:crypto';
import { digestHex, packSource, type RecordStream, type SourceMark } from '#engine';
import type { CompiledFile } from '#topologies';

export interface Steps {
  /** Records from one mark to the next. */
  readonly size: number;
  /** Before the copy is given what follows record `from`. */
  readonly before?: (from: number) => Promise<void>;
  /** What it is given in place of a record. */
  readonly change?: (record: Uint8Array, number: number) => Uint8Array;
}

/** The same workflow, whose source has marks and batches of so many records. */
export async function inSteps(workflow: CompiledFile, { size, before, change }: Steps): Promise<CompiledFile> {
  const source = await workflow.source();
  if (source === undefined) throw new Error('the workflow has no source of files');
  const records: Uint8Array[] = [];
  for await (const batch of source.records(0)) for (const record of batch) records.push(Uint8Array.from(record));
  const hash = createHash('sha256');
  const marks: SourceMark[] = [];
  for (let at = 0; at < records.length; at += size) {
    const some = records.slice(at, at + size);
    hash.update(packSource(some));
    marks.push({ records: at + some.length, digest: digestHex(hash.copy().digest('hex')) });
  }
  const stepped: RecordStream = {
    info: source.info,
    marks,
    async *records(from) {
      for (let at = from; at < records.length; at += size) {
        await before?.(at);
        yield records.slice(at, at + size).map((record, n) => change?.(record, at + n) ?? record);
      }
    },
  };
  return { ...workflow, source: async () => stepped };
}
