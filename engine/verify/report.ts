/** What a check found wrong, with its place. The list is bounded: after the first problems the rest is noise. */

import { messageOf, MizuError } from '../contract/errors.ts';

/** Problems listed in one report. */
export const PROBLEM_LIMIT = 50;

export interface VerifyProblem {
  /** Topic and offset, tile path, or task, block and op. */
  readonly where: string;
  readonly message: string;
}

export type Report = (where: string, message: string) => void;

export class ProblemList {
  readonly problems: VerifyProblem[] = [];

  readonly report: Report = (where, message) => {
    if (this.problems.length < PROBLEM_LIMIT) this.problems.push({ where, message });
  };
}

/** Reads bytes of the log, and says where they stand if they can't be read. @throws LOG_CORRUPT. */
export function readAt<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unreadable(where, error);
  }
}

/** As `readAt`, for what has to be waited for. */
export async function readableAt<T>(where: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw unreadable(where, error);
  }
}

function unreadable(where: string, error: unknown): MizuError {
  return error instanceof MizuError && error.code === 'LOG_CORRUPT'
    ? error
    : new MizuError('LOG_CORRUPT', `${where}: ${messageOf(error)}`, { cause: error });
}
