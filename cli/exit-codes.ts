/** Exit codes, the same for every command. */
export const EXIT = {
  done: 0,
  /** The check or the run failed. */
  failed: 1,
  /** The input or the command line was wrong. */
  wrongInput: 2,
  /** Ended by SIGINT or SIGTERM; a run can be resumed. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
