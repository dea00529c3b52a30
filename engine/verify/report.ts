/** What a check found wrong, with its place. The list is bounded: after the first problems the rest is noise. */

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
