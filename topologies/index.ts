/** The door of the topologies: what commands and tests use to put programs on a log and take results from it. */
export { compileFile, type CompiledFile } from './compile-file.ts';
export { checkSink } from './check-sink.ts';
export { openExternal } from './open-external.ts';
export { DEFAULT_LOG, openLog, openSigner } from './open-log.ts';
export { fileProblem } from './host.ts';
export { registry } from './registry.ts';
export { runWorkflow, WORKER_URL } from './run-workflow.ts';
export { type Preview, type PreviewRecord, type PreviewStep, previewWorkflow } from './preview.ts';
export { scaffoldWorkflow } from './scaffold.ts';
export { EXPORT_FORMATS, type ExportFormat } from '#connectors/files';
export { type ExportedRun, exportRun } from './export-run.ts';
export { temporaryStorage } from './temporary-storage.ts';
export { writeFileWhole } from './write-file-whole.ts';
export { FALLING_STACKS } from './shipped.ts';
export { recordedAnswers } from './recorded-answers.ts';
export { exportTlog } from './export-tlog.ts';
export { serveNetwork } from './serve-network.ts';
export { type DeployedWorkflow, deployWorkflow, type PlannedDeploy, planWorkflow } from './deploy-workflow.ts';
