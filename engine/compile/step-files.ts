/** Reads the files that a step names: rubrics, schemas. What is made of them stands in the program, so a run needs no file (law 3). */
import { MizuError } from '../contract/errors.ts';
import type { FileRequest } from '../contract/operator.ts';
import type { ProblemDetails } from '../workflow/place.ts';
import { shorten } from '../workflow/place.ts';
import type { CompileHost } from './compile-host.ts';

/** Largest file that a step may name, bytes. */
export const STEP_FILE_LIMIT = 1024 * 1024;

export interface StepFiles {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly problems: readonly { readonly at: string; readonly message: string; readonly details: ProblemDetails }[];
}

const REPORTED: readonly string[] = ['NOT_FOUND', 'FILE_UNREADABLE'];

export async function readStepFiles(requests: readonly FileRequest[], host: CompileHost): Promise<StepFiles> {
  const files = new Map<string, Uint8Array>();
  const problems: { at: string; message: string; details: ProblemDetails }[] = [];
  for (const { path, at } of requests) {
    try {
      const bytes = await host.readFile(path);
      if (bytes.length <= STEP_FILE_LIMIT) files.set(path, bytes);
      else
        problems.push({
          at,
          message: `The file holds ${bytes.length} bytes`,
          details: { value: shorten(path), expected: `at most ${STEP_FILE_LIMIT}` },
        });
    } catch (error) {
      if (!(error instanceof MizuError) || !REPORTED.includes(error.code)) throw error;
      problems.push({
        at,
        message: error.message,
        details: { value: shorten(path), hint: error.hint ?? 'paths are relative to the workflow file' },
      });
    }
  }
  return { files, problems };
}
