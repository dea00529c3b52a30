/** The door of the topologies: what commands and tests use to put programs on a log and take results from it. */
export { compileFile, type CompiledFile } from './compile-file.ts';
export { DEFAULT_LOG, localDirectory, openLog, type OpenLogOptions, openSigner } from './open-log.ts';
export { registry } from './registry.ts';
export { runWorkflow, type RunWorkflowOptions, WORKER_URL } from './run-workflow.ts';
export { type Preview, type PreviewRecord, type PreviewStep, previewWorkflow } from './preview.ts';
export { type Scaffold, scaffoldWorkflow } from './scaffold.ts';
export { EXPORT_FORMATS, type ExportFormat } from '#connectors/files';
export { type ExportedRun, exportRun, type ExportRunOptions } from './export-run.ts';
export { temporaryStorage } from './temporary-storage.ts';
export { writeFileWhole } from './write-file-whole.ts';
export { FALLING_STACKS } from './shipped.ts';
export { recordedAnswers, type RecordedAnswersOptions } from './recorded-answers.ts';
export { type ExportedTree, exportTlog, VERIFIER_KEY_FILE } from './export-tlog.ts';
