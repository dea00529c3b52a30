/**
 * The state of a run as a pure fold over its control log (P1): cuts, attempts, accepts, leases, ticks, the end. Every role keeps
 * its own copy; equal prefixes give equal states. Tasks below the low mark are forgotten, so memory is bounded by the window (law 6).
 */
import type { ControlBody, CutEntry } from './control-entry.ts';

export interface AttemptState {
  readonly attempt: number;
  readonly node: number;
  readonly deadline: number;
}

export interface TaskState {
  readonly cut: CutEntry;
  /** The newest attempt that is not dead. */
  current: AttemptState | undefined;
  attempts: number;
  dead: number;
  accepted: { readonly attempt: number; readonly node: number; readonly result: string } | undefined;
  poison: number[];
}

export class ControlFold {
  /** Tasks that were cut and not yet forgotten. */
  readonly tasks = new Map<number, TaskState>();
  readonly leases = new Map<string, { readonly epoch: number; readonly node: number }>();
  nextCut = 0;
  /** Candidates handed out so far. */
  candidates = 0;
  tick = 0;
  opens = 0;
  owner = '';
  keys: string[] = [];
  /** Nodes ever employed are numbered below this: their results may stand in as many partitions. */
  nodes = 0;
  finish: { readonly last: number; readonly reason: 'accepted' | 'exhausted' } | undefined;
  close: ControlBody & { readonly type: 'close' } | undefined;
  private low = 0;

  apply(body: ControlBody): void {
    switch (body.type) {
      case 'open':
        this.opens++;
        this.owner = body.owner;
        if (!this.keys.includes(body.key)) this.keys.push(body.key);
        return;
      case 'cut':
        this.nextCut = body.k + 1;
        this.candidates += body.count;
        if (body.k >= this.low) this.tasks.set(body.k, { cut: body, current: undefined, attempts: 0, dead: 0, accepted: undefined, poison: [] });
        return;
      case 'assign': {
        this.nodes = Math.max(this.nodes, body.node + 1);
        const task = this.tasks.get(body.k);
        if (task === undefined) return;
        task.current = { attempt: body.attempt, node: body.node, deadline: body.deadline };
        task.attempts = body.attempt + 1;
        return;
      }
      case 'dead': {
        const task = this.tasks.get(body.k);
        if (task === undefined) return;
        task.dead++;
        if (task.current?.attempt === body.attempt) task.current = undefined;
        return;
      }
      case 'accept': {
        const task = this.tasks.get(body.k);
        if (task !== undefined && task.accepted === undefined) task.accepted = { attempt: body.attempt, node: body.node, result: body.result };
        return;
      }
      case 'poison': {
        const task = this.tasks.get(body.k);
        if (task === undefined) return;
        task.poison.push(body.i);
        task.dead = 0;
        return;
      }
      case 'lease':
        this.nodes = Math.max(this.nodes, body.node + 1);
        this.leases.set(`${body.stage}/${body.partition}`, { epoch: body.epoch, node: body.node });
        return;
      case 'tick':
        this.tick = body.tick;
        return;
      case 'finish':
        this.finish = { last: body.last, reason: body.reason };
        return;
      case 'close':
        this.close = body;
        return;
    }
  }

  /** Forgets tasks below k: nobody in this role needs them again. */
  forgetBelow(k: number): void {
    for (; this.low < k; this.low++) this.tasks.delete(this.low);
  }

  /** Tasks in flight: cut, not accepted. */
  outstanding(): number {
    let count = 0;
    for (const task of this.tasks.values()) if (task.accepted === undefined) count++;
    return count;
  }

  /** open: more tasks may be cut. finished: a `finish` entry stands. blocked: waiting for results of cut tasks. */
  pool(limit: { readonly window: number; readonly published: number; readonly total: number }): 'open' | 'blocked' | 'finished' {
    if (this.finish !== undefined) return 'finished';
    return this.nextCut < Math.min(limit.published + limit.window, limit.total) ? 'open' : 'blocked';
  }
}
