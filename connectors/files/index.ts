/** Files: sources that workflows generate from, and exports of what they published. */
export { openFileSource } from './file-source.ts';
export type { FileSource } from './file-source.ts';
export { EXPORT_FORMATS, openRecordWriter } from './record-writer.ts';
export type { ExportFormat, RecordWriter } from './record-writer.ts';
export { AtomicFile } from './atomic-file.ts';
export type { WrittenFile } from './atomic-file.ts';
export { writeDatasetCard } from './dataset-card.ts';
export * from './limits.ts';
