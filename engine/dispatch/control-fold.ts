/**
 * The state of a run as a pure fold over its control log (P1): cuts, attempts, accepts, leases, ticks, the end. Every role keeps
 * its own copy; equal prefixes give equal states. Tasks below the low mark are forgotten, so memory is bounded by the window (law 6).
 */
import type { Bisection, Part } from './bisection.ts';
import { bisectionStatus, DEAD_ATTEMPT_LIMIT, FRUITLESS_BISECTION_LIMIT, startBisection, takeProbe } from './bisection.ts';
import type { ControlBody, CutEntry, FinishReason, Offer, RunMode } from './control-entry.ts';

export interface AttemptState {
  readonly attempt: number;
  readonly node: number;
  /** Tick after which it is late. */
  readonly deadline: number;
}

export interface ProbeState extends Part {
  readonly probe: number;
  readonly node: number;
}

export interface TaskState {
  readonly cut: CutEntry;
  /** Attempts that were assigned and are not over, oldest first. */
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

/** A member that takes part now. */
export interface MemberState {
  readonly node: number;
  readonly member: string;
  readonly incarnation: string;
  /** Hexadecimal. */
  readonly key: string;
  readonly offer: Offer;
  /** Tick at which it was admitted. */
  readonly since: number;
}

export interface RoleState {
  readonly epoch: number;
  readonly node: number;
}

/** `request` of an entry that the orchestrator wrote unasked. */
export const NO_REQUEST = Number.MAX_SAFE_INTEGER;

export class ControlFold {
  /** Tasks that were cut and not yet forgotten. */
  readonly tasks = new Map<number, TaskState>();
  /** STAGE/PARTITION → the newest lease; its holder may be lost. */
  readonly leases = new Map<string, RoleState>();
  /** The newest appointment of each role; its holder may be lost. */
  readonly roles = new Map<'checkpointer' | 'gateway', RoleState>();
  /** Members that take part now, by number. */
  readonly members = new Map<number, MemberState>();
  /** The number that each member had last, so that one that comes back gets it again. */
  readonly numbers = new Map<string, number>();
  mode: RunMode = 'running';
  /** Who asked for the mode; empty at the begin. */
  modeBy = '';
  settings: { readonly nodes: number; readonly deadlineMs: number } | undefined;
  /** Requests below this offset were answered. */
  nextRequest = 0;
  nextCut = 0;
  /** Candidates handed out so far. */
  candidates = 0;
  /** By partition of the source: where the next cut begins. */
  readonly positions = new Map<number, number>();
  /** Partition of the source that the newest cut ended in; −1 before the first. */
  lastPartition = -1;
  tick = 0;
  opens = 0;
  owner = '';
  keys: string[] = [];
  /** Nodes ever employed are numbered below this: their results may stand in as many partitions. */
  nodes = 0;
  finish: { readonly last: number; readonly reason: FinishReason } | undefined;
  close: (ControlBody & { readonly type: 'close' }) | undefined;
  private low = 0;

  apply(body: ControlBody): void {
    switch (body.type) {
      case 'open':
        this.takeOver(body);
        return;
      case 'cut':
        this.nextCut = body.k + 1;
        this.candidates += body.count;
        for (const [partition, , to] of body.ranges) {
          this.positions.set(partition, to);
          this.lastPartition = partition;
        }
        if (body.k >= this.low) this.tasks.set(body.k, newTask(body));
        return;
      case 'lease':
        this.nodes = Math.max(this.nodes, body.node + 1);
        this.leases.set(`${body.stage}/${body.partition}`, { epoch: body.epoch, node: body.node });
        return;
      case 'admit':
        this.lose(body.node);
        this.nodes = Math.max(this.nodes, body.node + 1);
        this.members.set(body.node, {
          node: body.node,
          member: body.member,
          incarnation: body.incarnation,
          key: body.key,
          offer: body.offer,
          since: this.tick,
        });
        this.numbers.set(body.member, body.node);
        this.answered(body.request);
        return;
      case 'lost':
        this.lose(body.node);
        return;
      case 'appoint':
        this.roles.set(body.role, { epoch: body.epoch, node: body.node });
        return;
      case 'mode':
        if (body.mode === 'running' && this.mode !== 'running') this.beginAnew();
        this.mode = body.mode;
        this.modeBy = body.by;
        this.answered(body.request);
        return;
      case 'settings':
        this.settings = { nodes: body.nodes, deadlineMs: body.deadlineMs };
        this.answered(body.request);
        return;
      case 'confirm':
        return;
      case 'tick':
        this.tick = body.tick;
        return;
      case 'mark':
        this.forgetBelow(body.published);
        return;
      case 'finish':
        this.finish = { last: body.last, reason: body.reason };
        return;
      case 'close':
        this.close = body;
        return;
      case 'assign':
      case 'probe':
        this.nodes = Math.max(this.nodes, body.node + 1);
        break;
      case 'dead':
      case 'accept':
      case 'probed':
      case 'poison':
        break;
    }
    const task = this.tasks.get(body.k);
    if (task !== undefined) applyToTask(task, body);
  }

  /** A new orchestrator goes on with the attempts that run: they are its members' own, and end with them. */
  private takeOver(body: ControlBody & { readonly type: 'open' }): void {
    this.opens++;
    this.owner = body.owner;
    if (!this.keys.includes(body.key)) this.keys.push(body.key);
    this.beginAnew();
  }

  /** Failures counted so far are forgiven; how far a search for killers came is kept, unless it had failed. */
  private beginAnew(): void {
    for (const task of this.tasks.values()) {
      task.died = 0;
      task.unreachable = 0;
      if (!searchFailed(task)) continue;
      task.bisection = undefined;
      task.fruitless = 0;
    }
  }

  /** The attempts and the probe of a member that is gone are over. */
  private lose(node: number): void {
    this.members.delete(node);
    for (const task of this.tasks.values()) {
      if (task.accepted !== undefined) continue;
      task.live = task.live.filter((attempt) => attempt.node !== node);
      if (task.probe?.node === node) task.probe = undefined;
    }
  }

  /** A request is answered once: an entry that answers none carries NO_REQUEST. */
  private answered(request: number): void {
    if (request !== NO_REQUEST) this.nextRequest = Math.max(this.nextRequest, request + 1);
  }

  /** Forgets tasks below k: nobody in this role needs them again. */
  forgetBelow(k: number): void {
    for (; this.low < k; this.low++) this.tasks.delete(this.low);
  }

  /** open: tasks below `cutEnd` may be cut. blocked: all of them are, and results are waited for. finished: a `finish` entry stands. */
  pool(cutEnd: number): 'open' | 'blocked' | 'finished' {
    if (this.finish !== undefined) return 'finished';
    return this.nextCut < cutEnd ? 'open' : 'blocked';
  }
}

/** Whether the search for the killers of a task has ended without an answer that may be acted on. */
export function searchFailed(task: TaskState): boolean {
  return task.fruitless >= FRUITLESS_BISECTION_LIMIT || (task.bisection !== undefined && bisectionStatus(task.bisection) === 'hopeless');
}

function newTask(cut: CutEntry): TaskState {
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

type TaskBody = Extract<ControlBody, { readonly type: 'assign' | 'dead' | 'accept' | 'probe' | 'probed' | 'poison' }>;

function applyToTask(task: TaskState, body: TaskBody): void {
  switch (body.type) {
    case 'assign':
      // An attempt after a whole search that named nobody.
      if (task.bisection !== undefined) beginAnew(task);
      task.live.push({ attempt: body.attempt, node: body.node, deadline: body.deadline });
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
