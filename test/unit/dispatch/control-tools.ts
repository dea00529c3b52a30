/** Control logs for the tests of this folder: entries with everything that does not matter filled in. */
import type { ControlBody, CutEntry, Offer } from '../../../engine/dispatch/control-entry.ts';
import { ControlFold, NO_REQUEST } from '../../../engine/dispatch/control-fold.ts';
import { foldToJson } from '../../../engine/dispatch/fold-snapshot.ts';
import type { JoinRequest } from '../../../engine/dispatch/membership.ts';
import { type DispatchPlan, nextEntries } from '../../../engine/dispatch/next-entries.ts';
import type { Json } from '../../../engine/contract/program.ts';

export const KEY = 'a'.repeat(64);
export const RESULT = 'c'.repeat(64);
export const OPEN: ControlBody & { readonly type: 'open' } = { type: 'open', owner: 'x:1', key: KEY };
export const NEEDS = { ops: ['echo@1'] };
export const TASK_SIZE = 10;

export function offer(given: Partial<Offer> = {}): Offer {
  return { slots: 1, weight: 1, steps: true, checkpoints: true, answers: false, ops: ['echo@1'], models: [], memory: 0, ...given };
}

export function admit(node: number, given: Partial<Offer> = {}, member = `m${node}`, incarnation = '1'): ControlBody & { type: 'admit' } {
  return { type: 'admit', node, member, incarnation, key: KEY, offer: offer(given), request: NO_REQUEST };
}

export function join(member: string, request: number, given: Partial<Offer> = {}, incarnation = '1'): JoinRequest {
  return { request, body: { type: 'join', member, incarnation, key: KEY, offer: offer(given) } };
}

export function cut(k: number, count = TASK_SIZE): CutEntry {
  return { type: 'cut', k, branch: 0, first: k * TASK_SIZE, count, ranges: [] };
}

export const cuts = (from: number, to: number): CutEntry[] => Array.from({ length: to - from }, (_, n) => cut(from + n));
export const accept = (k: number, attempt: number, node: number): ControlBody => ({ type: 'accept', k, attempt, node, result: RESULT });
export const dead = (k: number, attempt: number, reason = 'WORKER_DIED'): ControlBody => ({ type: 'dead', k, attempt, reason });
export const tick = (at: number): ControlBody => ({ type: 'tick', tick: at });

export function fold(bodies: Iterable<ControlBody>, into = new ControlFold()): ControlFold {
  for (const body of bodies) into.apply(body);
  return into;
}

export function planOf(given: Partial<DispatchPlan> = {}): DispatchPlan {
  return { deadlineTicks: 3, needs: NEEDS, cuts: [], more: false, ...given };
}

/** A control log that grows by decisions and by what becomes of them. */
export class Run {
  readonly log: ControlBody[] = [];
  readonly state = new ControlFold();

  constructor(...bodies: readonly ControlBody[]) {
    this.write(...bodies);
  }

  write(...bodies: readonly ControlBody[]): void {
    this.log.push(...bodies);
    fold(bodies, this.state);
  }

  /** One round of decisions, written. */
  decide(plan: Partial<DispatchPlan> = {}): ControlBody[] {
    const bodies = nextEntries(this.state, planOf(plan));
    this.write(...bodies);
    return bodies;
  }

  of<T extends ControlBody['type']>(type: T): Extract<ControlBody, { readonly type: T }>[] {
    return ofType(this.log, type);
  }
}

export function ofType<T extends ControlBody['type']>(
  bodies: readonly ControlBody[],
  type: T,
): Extract<ControlBody, { readonly type: T }>[] {
  return bodies.filter((body): body is Extract<ControlBody, { readonly type: T }> => body.type === type);
}

/** Everything that a fold knows. */
export const seen = (state: ControlFold): Json => foldToJson(state);
