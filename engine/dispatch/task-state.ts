/** What control says of one task, and how each entry changes it. */
import type { Bisection, Part } from './bisection.ts';
import { bisectionStatus, DEAD_ATTEMPT_LIMIT, FRUITLESS_BISECTION_LIMIT, startBisection, takeProbe } from './bisection.ts';
import type { ControlBody, CutEntry } from './control-entry.ts';

export interface AttemptState {
  readonly attempt: number;
  readonly node: number;
  /** Tick at which it was assigned. */
  readonly since: number;
  /** Tick after which it is late. */
  readonly deadline: number;
}

export interface ProbeState extends Part {
  readonly probe: number;
  readonly node: number;
}

export interface TaskState {
  readonly cut: CutEntry;
  /** Attempts that were assigned and are not over, oldest first; of an accepted task those that were not when it was accepted. */
  live: AttemptState[];
  /** Attempts so far; the next one has this number. */
  attempts: number;
  /** Attempts below this one began before the poison was known: their results don't count (P9). */
  validFrom: number;
  /** Attempts whose worker died, and those that reached no upstream, since the task last began anew. */
  died: number;
  unreachable: number;
  accepted: { readonly attempt: number; readonly node: number; readonly result: string } | undefined;
  /** Candidates that control declared poisonous. An input of the task like its cut: it changes the leaves, the same way for everyone (P9). */
  poison: number[];
  /** While the task's killers are searched for. */
  bisection: Bisection | undefined;
  /** The probe that runs. */
  probe: ProbeState | undefined;
  /** Probes so far; the next one has this number. */
  probes: number;
  /** Bisections that found nobody. */
  fruitless: number;
}

export function newTask(cut: CutEntry): TaskState {
  return {
    cut,
    live: [],
    attempts: 0,
    validFrom: 0,
    died: 0,
    unreachable: 0,
    accepted: undefined,
    poison: [],
    bisection: undefined,
    probe: undefined,
    probes: 0,
    fruitless: 0,
  };
}

/** Nodes that are at the task, one mention for each attempt and the probe. An accepted task needs nobody any longer. */
export function nodesAt(task: TaskState): number[] {
  if (task.accepted !== undefined) return [];
  const nodes = task.live.map(({ node }) => node);
  if (task.probe !== undefined) nodes.push(task.probe.node);
  return nodes;
}

/** Whether the search for the killers of a task has ended without an answer that may be acted on. */
export function searchFailed(task: TaskState): boolean {
  return task.fruitless >= FRUITLESS_BISECTION_LIMIT || (task.bisection !== undefined && bisectionStatus(task.bisection) === 'hopeless');
}

/** Failures counted so far are forgiven; how far a search for killers came is kept, unless it had failed. */
export function forgive(task: TaskState): void {
  task.died = 0;
  task.unreachable = 0;
  if (!searchFailed(task)) return;
  task.bisection = undefined;
  task.fruitless = 0;
}

/** What a member was at is over when it is gone. */
export function loseNode(task: TaskState, node: number): void {
  task.live = task.live.filter((attempt) => attempt.node !== node);
  if (task.probe?.node === node) task.probe = undefined;
}

export type TaskBody = Extract<ControlBody, { readonly type: 'assign' | 'dead' | 'accept' | 'probe' | 'probed' | 'poison' }>;

export function applyToTask(task: TaskState, body: TaskBody, tick: number): void {
  switch (body.type) {
    case 'assign':
      // An attempt after a whole search that named nobody.
      if (task.bisection !== undefined) beginAnew(task);
      task.live.push({ attempt: body.attempt, node: body.node, since: tick, deadline: body.deadline });
      task.attempts = body.attempt + 1;
      return;
    case 'dead':
      task.live = task.live.filter(({ attempt }) => attempt !== body.attempt);
      if (body.reason === 'UPSTREAM_UNREACHABLE') task.unreachable++;
      else if (body.reason === 'WORKER_DIED') task.died++;
      if (task.died >= DEAD_ATTEMPT_LIMIT) task.bisection ??= startBisection(task.cut.count);
      return;
    case 'accept':
      task.accepted ??= { attempt: body.attempt, node: body.node, result: body.result };
      return;
    case 'probe':
      task.probe = { probe: body.probe, node: body.node, from: body.from, to: body.to };
      task.probes = body.probe + 1;
      return;
    case 'probed':
      // The outcome of a probe whose member was lost since: another one asks the same.
      if (task.probe?.probe !== body.probe) return;
      task.probe = undefined;
      if (body.outcome === 'unreachable') task.unreachable++;
      else if (task.bisection !== undefined) task.bisection = takeProbe(task.bisection, body.outcome === 'died');
      if (task.bisection?.open.length === 0 && task.bisection.found.length === 0) task.fruitless++;
      return;
    case 'poison':
      if (!task.poison.includes(body.i)) task.poison.push(body.i);
      task.validFrom = task.attempts;
      task.live = [];
      beginAnew(task);
      return;
  }
}

function beginAnew(task: TaskState): void {
  task.died = 0;
  task.unreachable = 0;
  task.bisection = undefined;
}
