/** Runs the program `mizu` as users do: another process, arguments in, text and an exit code out. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

export interface CliResult {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Sees standard error as it comes; may signal the process. */
  readonly onStderr?: (text: string, child: ChildProcess) => void;
  /** Sees the process when it has started. */
  readonly onStart?: (child: ChildProcess) => void;
}

export function mizu(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { MIZU_LOG: _log, FORCE_COLOR: _colour, ...inherited } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd,
    env: { ...inherited, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    options.onStderr?.(stderr, child);
  });
  options.onStart?.(child);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** The object that `--json` printed as the last line. */
export function lastObject(result: CliResult): { readonly [key: string]: unknown } {
  const last = result.stdout.trimEnd().split('\n').at(-1) ?? '';
  return JSON.parse(last) as { readonly [key: string]: unknown };
}
