/** What an audit found, each with its place. The list is bounded; the counts are not. */

export const FINDING_KINDS = ['lost', 'duplicated', 'torn', 'zombie', 'conflicting', 'misplaced', 'unreadable'] as const;

/**
 * - `lost`: something that must be there is not.
 * - `duplicated`: something that may stand once stands again.
 * - `torn`: a commit is half there.
 * - `zombie`: written by somebody who had no right to it, or no longer.
 * - `conflicting`: one name holds two contents (law 12).
 * - `misplaced`: it stands out of its order or in the wrong place.
 * - `unreadable`: bytes that no version wrote.
 */
export type FindingKind = (typeof FINDING_KINDS)[number];

export interface Place {
  readonly topic: string;
  readonly partition: number;
  /** Absent for what is not there. */
  readonly offset?: number | undefined;
}

export interface Finding extends Place {
  readonly kind: FindingKind;
  readonly what: string;
}

/** Findings listed in one report: after so many the rest is noise. */
export const FINDING_LIMIT = 1_000;

export class FindingList {
  readonly list: Finding[] = [];
  readonly counts: Record<FindingKind, number>;

  constructor() {
    this.counts = { lost: 0, duplicated: 0, torn: 0, zombie: 0, conflicting: 0, misplaced: 0, unreadable: 0 };
  }

  readonly report = (kind: FindingKind, place: Place, what: string): void => {
    this.counts[kind]++;
    if (this.list.length < FINDING_LIMIT) this.list.push({ kind, ...place, what });
  };

  get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }
}
