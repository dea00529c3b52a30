/**
 * What `import … from 'mizu'` gives: write a workflow, compile it, run it on a log, take its records and check them. The command `mizu` does the same by the
 * same code; documents/library.md tells it with examples. Every function throws `MizuError`, whose `code` is from a closed list, with what to try in `hint`.
 */
export { MizuError, step, typedStep, verifyProof, workflow, WorkflowBuilder } from '#engine';
export type { ErrorCode, Log, Problem, Progress, ProofReport, RecordProof, ReplayReport, RunSummary, VerifyReport } from '#engine';
export type { StepDocument, WorkflowDocument, WorkflowSettings } from '#engine';
export type { ExportedRun } from '#topologies';
export { type CompiledWorkflow, type CompileOptions, compile } from './compile.ts';
export { editorSchema } from './editor-schema.ts';
export { openLog, type OpenLogOptions } from './open-log.ts';
export { run, type RunOptions } from './run.ts';
export { prove, replay, type ReplayOptions, verify, type VerifyOptions } from './check.ts';
export { type DropKind, dropped, type DroppedRecord, type ExportOptions, exportRun, type PublishedRecord, records } from './data.ts';
