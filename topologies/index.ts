/** The door of the topologies: what commands and tests use to put programs on a log and take results from it. */
export { compileFile, type CompiledFile } from './compile-file.ts';
export { DEFAULT_LOG, localDirectory, openLog, type OpenLogOptions, openSigner } from './open-log.ts';
export { registry } from './registry.ts';
export { runWorkflow, type RunWorkflowOptions, WORKER_URL } from './run-workflow.ts';
