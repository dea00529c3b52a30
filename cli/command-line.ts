/** Reads the command line, runs the command, prints its result or its error, and says the exit code. */
import { CommanderError } from 'commander';
import type { CommonOptions, Debug, Outcome } from './context.ts';
import { Context } from './context.ts';
import type { ExitCode } from './exit-codes.ts';
import { EXIT } from './exit-codes.ts';
import { PipeClosed } from './output.ts';
import { buildProgram } from './program.ts';

/** A command, ready to run with its arguments. */
export type Action = (context: Context) => Promise<Outcome>;

/** @param args without the names of node and of the script. */
export async function runCommandLine(args: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  process.stdout.on('error', endQuietly);
  const program = buildProgram(async (options, action) => {
    exitCode = await runAction(options, action);
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.done;
    if (args.includes('--json')) {
      const message = error.message.replace(/^error: /, '');
      process.stdout.write(`${JSON.stringify({ ok: false, error: { code: 'USAGE', message } })}\n`);
    }
    return EXIT.wrongInput;
  }
}

/** Help goes out by no `Output`: whoever stops reading it (`mizu --help | head`) ends it. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

async function runAction(options: CommonOptions, action: Action): Promise<ExitCode> {
  const context = new Context(options, options.verbose === true ? await debugLog() : () => {});
  try {
    const outcome = await action(context);
    context.progress.clear();
    await context.out.object(outcome.result);
    return outcome.exitCode ?? EXIT.done;
  } catch (error) {
    context.progress.clear();
    if (error instanceof PipeClosed) return EXIT.done;
    const { renderError } = await import('./render-error.ts');
    const rendered = renderError(error, options.verbose === true);
    process.stderr.write(`${rendered.text}\n`);
    await context.out.object(rendered.result).catch(() => undefined);
    return rendered.exitCode;
  }
}

async function debugLog(): Promise<Debug> {
  const { openLogger } = await import('./logger.ts');
  const logger = await openLogger('debug');
  return (message, details = {}) => logger.debug(details, message);
}
