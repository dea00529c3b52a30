/** A refused change of a schema, field by field: what changed, whom it breaks, and what to do (law 10). */
import { type Compatibility, MizuError, type Problem } from '#engine';
import type { Difference } from './schema-diff.ts';

/** An error names at most so many fields. */
const SHOWN_PROBLEMS = 50;

export interface Refusal {
  readonly subject: string;
  readonly level: Compatibility;
  /** The registered version that the change was compared with. */
  readonly version: number;
  readonly differences: readonly Difference[];
  /** The registry's own words, if it had any. */
  readonly said?: string | undefined;
}

/** Whether the level forbids the difference. */
export function breaksLevel(level: Compatibility, difference: Difference): boolean {
  const backward = level.startsWith('BACKWARD') || level.startsWith('FULL');
  const forward = level.startsWith('FORWARD') || level.startsWith('FULL');
  return (backward && difference.breaksBackward) || (forward && difference.breaksForward);
}

export function explainRefusal({ subject, level, version, differences, said }: Refusal): MizuError {
  const breaking = differences.filter((difference) => breaksLevel(level, difference));
  // A registry may have rules of its own; then every difference may be the one.
  const shown = (breaking.length > 0 ? breaking : differences).slice(0, SHOWN_PROBLEMS);
  const words = said === undefined || breaking.length > 0 ? '' : `. It said: ${said}`;
  const count = `${shown.length} ${shown.length === 1 ? 'field changes' : 'fields change'}`;
  return new MizuError(
    'SCHEMA_INCOMPATIBLE',
    `The schema registry refuses the new schema of ${subject}: level ${level}, compared with version ${version}, ${count}${words}`,
    {
      component: subject,
      problems: shown.map(problemOf),
      hint: 'Change the fields as told, or publish to a topic of another name. Whoever owns the readers may also loosen the level of the subject in the registry',
    },
  );
}

function problemOf(difference: Difference): Problem {
  const { path, before, after } = difference;
  return {
    path,
    message: messageOf(difference),
    hint: hintOf(difference),
    ...(after === undefined ? {} : { value: after }),
    ...(before === undefined ? {} : { expected: before }),
  };
}

function messageOf({ path, kind, before, after, breaksBackward }: Difference): string {
  const what = path === '' ? 'the record' : `field ${path}`;
  switch (kind) {
    case 'added':
      return `${what} is new (${after}) and has no default, so older records can't be read`;
    case 'removed':
      return `${what} (${before}) is gone and had no default, so older readers can't read newer records`;
    case 'renamed':
      return `${what} was named ${before} and is now named ${after}`;
    case 'retyped': {
      const whom = breaksBackward
        ? `older records hold ${before}, which can't be read as ${after}`
        : `older readers can't read ${after} as ${before}`;
      return `${what} was ${before} and is now ${after}: ${whom}`;
    }
  }
}

function hintOf({ path, kind, before }: Difference): string {
  switch (kind) {
    case 'added':
      return 'make it optional, which gives it the default null';
    case 'removed':
      return `keep it (${before})`;
    case 'renamed':
      return `keep the name ${before}`;
    case 'retyped':
      return path === '' ? `keep ${before}` : `keep ${path} as ${before}, and put the new value into an optional field of another name`;
  }
}
