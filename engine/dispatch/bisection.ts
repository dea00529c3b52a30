/**
 * Finds the candidates that kill the workers of a task (P9), as a pure fold over the outcomes of probes: executions of a part of the task
 * alone on a thread, whose output nobody commits. A part that dies is halved; a candidate is poison once DEAD_ATTEMPT_LIMIT probes of it
 * alone have died, so one unlucky death decides no record (law 11).
 */

/** Attempts that must die before a task is bisected, and probes of one candidate that must die before it is poison. */
export const DEAD_ATTEMPT_LIMIT = 3;
/** Poison candidates that one task may have. Beyond it the program is at fault, not its records: the run stops with an error. */
export const POISON_PER_TASK_LIMIT = 8;
/** Bisections of one task that may end without a culprit, as when it dies only as a whole. Beyond it the run stops with an error. */
export const FRUITLESS_BISECTION_LIMIT = 2;

/** Candidates [from, to) of a task. */
export interface Part {
  readonly from: number;
  readonly to: number;
}

export interface Bisection {
  /** Parts that may hold a killer, ascending; the first is probed next. */
  readonly open: readonly Part[];
  /** Dead probes of the first part, if it is one candidate. */
  readonly deaths: number;
  /** Candidates that are poison, ascending. */
  readonly found: readonly number[];
}

/** Begins with a task of `count` candidates that died as a whole. */
export function startBisection(count: number): Bisection {
  return { open: halves({ from: 0, to: count }), deaths: 0, found: [] };
}

/** What is known after a probe of the first open part. */
export function takeProbe(state: Bisection, died: boolean): Bisection {
  const [part, ...rest] = state.open;
  if (part === undefined) return state;
  if (!died) return { open: rest, deaths: 0, found: state.found };
  if (part.to - part.from > 1) return { open: [...halves(part), ...rest], deaths: 0, found: state.found };
  if (state.deaths + 1 < DEAD_ATTEMPT_LIMIT) return { ...state, deaths: state.deaths + 1 };
  return { open: rest, deaths: 0, found: [...state.found, part.from] };
}

/** `hopeless`: more candidates kill than may be. */
export function bisectionStatus(state: Bisection): 'probing' | 'done' | 'hopeless' {
  if (state.found.length > POISON_PER_TASK_LIMIT) return 'hopeless';
  return state.open.length > 0 ? 'probing' : 'done';
}

/** Candidates that a probe of the part leaves out: it is the task with all others poisoned. */
export function outsideOf(part: Part, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i).filter((i) => i < part.from || i >= part.to);
}

function halves(part: Part): Part[] {
  const middle = part.from + Math.ceil((part.to - part.from) / 2);
  return [
    { from: part.from, to: middle },
    { from: middle, to: part.to },
  ].filter(({ from, to }) => to > from);
}
