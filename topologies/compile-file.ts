/** From a workflow file to a program and everything that a run of it needs. */
import { dirname } from 'node:path';
import type { RecordStream } from '#engine';
import type { Compiled, CompileInput, WorkflowDocument } from '#kernel';
import { compileWorkflow, MizuError, workflowText } from '#kernel';
import { FileHost, readWhole, type Variables } from './host.ts';
import { registry } from './registry.ts';

export interface CompiledFile extends Compiled {
  /** As the user named it. */
  readonly file: string;
  /** Opens the program's source of files, if it has one. */
  source(): Promise<RecordStream | undefined>;
}

/** @param sets `path=value` overrides. @param env for who asks a schema registry. @throws WORKFLOW_INVALID with every problem; NOT_FOUND, FILE_UNREADABLE for the file itself. */
export async function compileFile(file: string, sets: readonly string[] = [], env: Variables = {}): Promise<CompiledFile> {
  const text = await readWorkflow(file);
  return compileWith({ text, file, sets }, new FileHost(dirname(file), env));
}

export interface DocumentPlace {
  /** As problems name the workflow, in the place of a file. */
  readonly name: string;
  /** Folder where relative paths start. */
  readonly baseDir: string;
  readonly sets: readonly string[];
  readonly env: Variables;
}

/** As `compileFile`, for a workflow that a program built. */
export function compileDocument(spec: WorkflowDocument, { name, baseDir, sets, env }: DocumentPlace): Promise<CompiledFile> {
  return compileWith({ spec, file: name, sets }, new FileHost(baseDir, env));
}

async function compileWith(input: CompileInput, host: FileHost): Promise<CompiledFile> {
  const compiled = await compileWorkflow(input, host, registry);
  const { sourceRequest } = compiled;
  return { ...compiled, file: input.file, source: async () => (sourceRequest === undefined ? undefined : host.source(sourceRequest)) };
}

async function readWorkflow(file: string): Promise<string> {
  const bytes = await readWhole(file, file).catch((error: unknown) => {
    throw error instanceof MizuError ? withHint(error) : error;
  });
  return workflowText(bytes, file);
}

function withHint(error: MizuError): MizuError {
  return new MizuError(error.code, error.message, {
    cause: error,
    component: error.component ?? '',
    hint: 'Give the path of a workflow file; `mizu init` writes one to start from.',
  });
}
