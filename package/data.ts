/** Takes what a run published and dropped, as values or as files. */
import type { DropView, Log, PublishedRow } from '#engine';
import { listDrops, publishedRecords } from '#engine';
import { type ExportedRun, type ExportFormat, exportRun as exportFiles, findRun, openSigner } from '#topologies';

/** One published record: its id, its values by field, and its bytes. */
export type PublishedRecord = PublishedRow;
/** One dropped record, with what dropped it and why. */
export type DroppedRecord = DropView;
export type DropKind = DropView['kind'];

/** Published records in canonical order, which is the same on every machine. @param name as for `verify`. @throws MizuError NOT_FOUND, LOG_CORRUPT. */
export async function* records(log: Log, name: string): AsyncGenerator<PublishedRecord> {
  yield* publishedRecords(log, await findRun(log, name));
}

/** Dropped records of one kind, in canonical order. @param name as for `verify`. @throws MizuError NOT_FOUND, LOG_CORRUPT. */
export async function* dropped(log: Log, name: string, kind: DropKind): AsyncGenerator<DroppedRecord> {
  yield* listDrops(log, await findRun(log, name), kind);
}

export interface ExportOptions {
  /** Folder for the files; made if it is not there. */
  readonly dir: string;
  /** Default: JSONL alone. */
  readonly formats?: readonly ExportFormat[];
  /** Key that signs the provenance; default: the log's own. */
  readonly keyFile?: string;
  readonly signal?: AbortSignal;
}

/**
 * Writes data files, the program, a dataset card and signed SLSA provenance. Each file appears whole or not at all.
 * @param name as for `verify`.
 * @throws MizuError NOT_FOUND; CHECK_FAILED for a run of which nothing is signed yet; FILE_UNWRITABLE; INTERRUPTED by the signal.
 */
export async function exportRun(log: Log, name: string, options: ExportOptions): Promise<ExportedRun> {
  const { dir, formats = ['jsonl'], keyFile, signal = new AbortController().signal } = options;
  return exportFiles({ log, run: await findRun(log, name), formats, dir, signer: openSigner(log, keyFile), signal });
}
