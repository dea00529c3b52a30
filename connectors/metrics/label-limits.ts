/** Bounds on what labels may say: a series is kept for ever by whoever scrapes it, so nothing that a run can make without end becomes one (law 6). */
import { ERROR_CODES } from '#engine';

/** Runs with series of their own; when there are more, those that ended first are forgotten, and beyond that runs share OTHER. */
export const RUN_LIMIT = 50;
/** Values of any other open label (steps, models), over the whole process. */
export const VALUE_LIMIT = 200;
/** What stands for all further values. */
export const OTHER = 'other';

/** Labels whose values come from programs and deployments. The others are closed lists or small numbers. */
const OPEN_LABELS: readonly string[] = ['step', 'model', 'caller'];

export class LabelLimits {
  private readonly seen = new Map<string, Set<string>>();

  bounded(label: string, value: string): string {
    if (label === 'code') return value === '' || value in ERROR_CODES ? value : OTHER;
    if (!OPEN_LABELS.includes(label)) return value;
    const seen = this.seen.get(label) ?? new Set();
    this.seen.set(label, seen);
    if (seen.has(value)) return value;
    if (seen.size >= VALUE_LIMIT) return OTHER;
    seen.add(value);
    return value;
  }
}
