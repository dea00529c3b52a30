/** Files: sources that workflows generate from, and exports of what they published. */
export { openFileSource } from './file-source.ts';
export type { FileSource } from './file-source.ts';
export { resolveSourcePath } from './source-path.ts';
export { EXPORT_FORMATS, openRecordWriter } from './record-writer.ts';
export type { ExportFormat, RecordWriter, RecordWriterOptions } from './record-writer.ts';
export { ID_COLUMN } from './export-values.ts';
export { AtomicFile } from './atomic-file.ts';
export type { WrittenFile } from './atomic-file.ts';
export { datasetCard, writeDatasetCard } from './dataset-card.ts';
export type { DatasetCard } from './dataset-card.ts';
export * from './limits.ts';
