/** The inner door of the topologies: what can be done with a workflow file alone. It loads neither a log nor a runtime. */
export { compileDocument, compileFile, type CompiledFile } from './compile-file.ts';
export { DEFAULT_LOG } from './default-log.ts';
export { fileProblem } from './host.ts';
export { registry } from './registry.ts';
export { scaffoldWorkflow } from './scaffold.ts';
