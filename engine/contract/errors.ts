/**
 * The one error type of Mizu. An error answers two questions: whose fault is it, and is another try worth it?
 * Codes come from the closed list below, so that callers branch on codes and never on texts (law 10).
 */

/** Every error code, with its domain and retry advice. A new failure gets a new line here. */
export const ERROR_CODES = {
  WORKFLOW_INVALID: ['user', 'never'],
  INPUT_INVALID: ['user', 'never'],
  USAGE: ['user', 'never'],
  NOT_FOUND: ['user', 'never'],
  KEY_INVALID: ['user', 'never'],
  RUN_LIVE: ['user', 'backoff'],
  PROGRAM_CHANGED: ['user', 'never'],
  BUDGET_EXHAUSTED: ['user', 'never'],
  CHECK_FAILED: ['user', 'never'],
  FILE_UNREADABLE: ['external', 'never'],
  FILE_UNWRITABLE: ['external', 'never'],
  DISK_FULL: ['external', 'restart'],
  LOG_UNAVAILABLE: ['external', 'backoff'],
  LOG_REFUSED: ['user', 'never'],
  LOG_BUSY: ['external', 'backoff'],
  LOG_CORRUPT: ['external', 'never'],
  LOG_FENCED: ['external', 'restart'],
  LOG_UNKNOWN_OUTCOME: ['external', 'restart'],
  LOG_LIMIT: ['user', 'never'],
  SOURCE_UNAVAILABLE: ['external', 'never'],
  REGISTRY_UNAVAILABLE: ['external', 'backoff'],
  REGISTRY_REFUSED: ['user', 'never'],
  SCHEMA_INCOMPATIBLE: ['user', 'never'],
  UPSTREAM_UNREACHABLE: ['external', 'backoff'],
  UPSTREAM_REFUSED: ['external', 'never'],
  WORKER_DIED: ['external', 'restart'],
  ATTEMPTS_EXHAUSTED: ['external', 'restart'],
  INTERRUPTED: ['user', 'restart'],
  BYTES_INVALID: ['external', 'never'],
  PROOF_INVALID: ['user', 'never'],
  INTERNAL: ['internal', 'never'],
} as const satisfies Record<string, readonly ['user' | 'external' | 'internal', 'never' | 'backoff' | 'restart']>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** One thing that is wrong with an input: where, which value, what was expected, what to try (law 10). */
export interface Problem {
  /** Path inside the document, such as `verify[2].length.min`; empty for the document as a whole. */
  readonly path: string;
  readonly message: string;
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** 1-based, in UTF-16 units. */
  readonly column?: number;
  /** The line as the author wrote it, shortened. */
  readonly excerpt?: string;
  /** The offending value as the author wrote it, shortened to 80 characters. */
  readonly value?: string;
  readonly expected?: string;
  /** What to try; a nearest-name suggestion where one exists. */
  readonly hint?: string;
}

export interface MizuErrorOptions {
  readonly cause?: unknown;
  /** Step id, topic, command or file that the failure belongs to. */
  readonly component?: string;
  /** What to try. */
  readonly hint?: string;
  readonly problems?: readonly Problem[];
}

export class MizuError extends Error {
  override readonly name = 'MizuError';
  readonly code: ErrorCode;
  readonly component: string | undefined;
  readonly hint: string | undefined;
  readonly problems: readonly Problem[];

  constructor(code: ErrorCode, message: string, options: MizuErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.component = options.component;
    this.hint = options.hint;
    this.problems = options.problems ?? [];
  }

  get domain(): 'user' | 'external' | 'internal' {
    return ERROR_CODES[this.code][0];
  }

  get retry(): 'never' | 'backoff' | 'restart' {
    return ERROR_CODES[this.code][1];
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Throws INTERNAL unless the condition holds: for states that only a defect of Mizu can reach. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new MizuError('INTERNAL', `Internal invariant broken: ${message}`);
}
