/** What every command is given: the common options, where to write, and the signal that Ctrl-C aborts. */
import type { Json } from '#kernel';
import type { ExitCode } from './exit-codes.ts';
import { Output } from './output.ts';
import { ProgressLine } from './progress-line.ts';

/** Options that every command takes. */
export interface CommonOptions {
  readonly log: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** What a command comes to. */
export interface Outcome {
  /** Default: done. */
  readonly exitCode?: ExitCode;
  /** The object that `--json` prints as the last line. */
  readonly result: { readonly [key: string]: Json };
}

export type Debug = (message: string, details?: object) => void;

export class Context {
  readonly options: CommonOptions;
  readonly out: Output;
  readonly progress: ProgressLine;
  /** Writes a debug line to standard error; does nothing without `--verbose`. */
  readonly debug: Debug;
  private controller: AbortController | undefined;

  constructor(options: CommonOptions, debug: Debug) {
    this.options = options;
    this.debug = debug;
    this.out = new Output(process.stdout, options.json === true);
    this.progress = new ProgressLine(process.stderr, options.quiet === true);
  }

  /** What `--log` names. */
  get log(): string {
    return this.options.log;
  }

  /**
   * Aborts at SIGINT or SIGTERM. Whoever asks for it must end soon after; a command that does not ask is ended at once by the signal,
   * as is one that gets a second signal.
   */
  get signal(): AbortSignal {
    if (this.controller !== undefined) return this.controller.signal;
    const controller = new AbortController();
    this.controller = controller;
    const stop = (): void => {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      this.progress.note('Stopping…');
      controller.abort();
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
    return controller.signal;
  }

  get interrupted(): boolean {
    return this.controller?.signal.aborted === true;
  }
}
