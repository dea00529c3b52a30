/** From a workflow, in a file or built by a program, to what a run needs. */
import type { WorkflowDocument } from '#engine';
import { type CompiledFile, compileDocument, compileFile } from '#topologies';

/** A workflow that is valid: its program with its digest, its settings, and what was allowed but seldom meant (`warnings`). */
export type CompiledWorkflow = CompiledFile;

export interface CompileOptions {
  /** `path=value` overrides, such as `accept=50`, as the command's `--set`. */
  readonly sets?: readonly string[];
  /** Where the relative paths of a built workflow start; default: the current folder. Those of a file start at the file. */
  readonly baseDir?: string;
  /** Variables of the environment, for who asks a schema registry; default: those of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * @param source path of a YAML file, or what `workflow(…)` built.
 * @throws MizuError WORKFLOW_INVALID with every problem and its place in `problems`; NOT_FOUND, FILE_UNREADABLE for the file itself.
 * @example
 * const compiled = await compile('workflow.yaml', { sets: ['accept=50'] });
 */
export function compile(source: string | { readonly document: WorkflowDocument }, options: CompileOptions = {}): Promise<CompiledWorkflow> {
  const { sets = [], baseDir = '.', env = process.env } = options;
  if (typeof source === 'string') return compileFile(source, sets, env);
  return compileDocument(source.document, { name: source.document.name, baseDir, sets, env });
}
