/**
 * The state of a run as a pure fold over its control log (P1): members, cuts, attempts, accepts, leases, ticks, the end. Every role keeps
 * its own copy; equal prefixes give equal states. Tasks below the low mark are forgotten, so memory is bounded by the window (law 6).
 * Queues and loads are kept as entries come: none costs more because there are many tasks or members.
 */
import type { ControlBody, CutEntry, Offer, RunMode } from './control-entry.ts';
import type { FinishReason } from './finish-reasons.ts';
import type { CapableMembers, Needs } from './member-loads.ts';
import { MemberLoads } from './member-loads.ts';
import { TaskQueues } from './task-queues.ts';
import type { TaskBody, TaskState } from './task-state.ts';
import { applyToTask, forgive, loseNode, newTask, nodesAt } from './task-state.ts';

export type { TaskState } from './task-state.ts';

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
  /** Life of the node that it was given to; empty if it was no member. A later life of the same node does not hold it. */
  readonly incarnation: string;
  /** Tick at which it was given. */
  readonly since: number;
}

/** `request` of an entry that the orchestrator wrote unasked. */
export const NO_REQUEST = Number.MAX_SAFE_INTEGER;
/** Results that differ from the one that counts are all counted; the newest are remembered. */
const UNEQUAL_KEPT = 5;
/** Accepted tasks whose time is remembered, to tell a straggler: few enough to follow a run that changes, enough for a median. */
const PACES_KEPT = 63;

/** A result that does not agree with the one that counts: one of the two nodes executed something else than the program. */
export interface UnequalResult {
  readonly k: number;
  readonly attempt: number;
  readonly node: number;
  /** Node whose result counts. */
  readonly accepted: number;
}

export class ControlFold {
  /** Tasks that were cut and not yet forgotten. */
  readonly tasks = new Map<number, TaskState>();
  /** STAGE/PARTITION → the newest lease; its holder may be lost. */
  readonly leases = new Map<string, RoleState>();
  /** The newest appointment of each role; its holder may be lost. */
  readonly roles = new Map<'checkpointer' | 'gateway', RoleState>();
  /** Members that take part now, by number. */
  readonly members = new Map<number, MemberState>();
  /** The number that each member had last, so that one that comes back gets it again; a number is remembered for its last member only. */
  readonly numbers = new Map<string, number>();
  mode: RunMode = 'running';
  /** Who asked for the mode; empty at the begin. */
  modeBy = '';
  settings: { readonly nodes: number; readonly deadlineMs: number } | undefined;
  /** Memory that a member must offer for each of its slots to be given tasks, bytes. */
  memory = 0;
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
  /** Tasks below this are forgotten. */
  low = 0;
  /** Ticks from assignment to acceptance of the tasks accepted last, oldest first. */
  readonly paces: number[] = [];
  /** Second results of accepted tasks, by whether they agree; and the newest that do not. */
  copies = { equal: 0, unequal: 0 };
  readonly unequal: UnequalResult[] = [];
  /** Entries so far that changed members, leases or roles. */
  changes = 0;
  /** Indexes over tasks and members, for the decisions in this folder only. */
  readonly queues = new TaskQueues();
  readonly loads = new MemberLoads();
  /** Member that each number was given to last. */
  private readonly names = new Map<number, string>();

  apply(body: ControlBody): void {
    switch (body.type) {
      case 'open':
        this.takeOver(body);
        return;
      case 'cut':
        this.cut(body);
        return;
      case 'lease':
        this.employ(body.node);
        this.changes++;
        this.leases.set(`${body.stage}/${body.partition}`, this.given(body));
        return;
      case 'admit':
        this.admit(body);
        return;
      case 'lost':
        this.lose(body.node);
        return;
      case 'appoint':
        this.changes++;
        this.roles.set(body.role, this.given(body));
        return;
      case 'mode':
        if (body.mode === 'running' && this.mode !== 'running') this.beginAnew();
        this.mode = body.mode;
        this.modeBy = body.by;
        this.answered(body.request);
        return;
      case 'settings':
        this.settings = { nodes: body.nodes, deadlineMs: body.deadlineMs };
        this.memory = body.memory ?? 0;
        this.answered(body.request);
        return;
      case 'confirm':
        this.compare(body);
        return;
      case 'tick':
        this.passTo(body.tick);
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
      default:
        if (body.type === 'assign' || body.type === 'probe') this.employ(body.node);
        this.applyToTask(body);
    }
  }

  /** Attempts and probes that the node was given and that are not over. */
  loadOf(node: number): number {
    return this.loads.of(node);
  }

  /** The member that has the number, or had it last; empty for one that nobody had. */
  nameOf(node: number): string {
    return this.names.get(node) ?? '';
  }

  /** The members that may be given tasks: they know what the program needs, and have the memory that control asks for. */
  capable(needs: Needs): CapableMembers {
    return this.loads.capable(needs, this.memory);
  }

  /** Slots of all members that take part now. */
  slots(): number {
    return this.loads.slots;
  }

  /** Forgets tasks below k: nobody in this role needs them again. */
  forgetBelow(k: number): void {
    for (; this.low < k; this.low++) this.forget(this.low);
  }

  /** Takes a task as it is, with all that follows from it for queues and loads. */
  putTask(k: number, task: TaskState): void {
    this.forget(k);
    this.tasks.set(k, task);
    for (const node of nodesAt(task)) this.loads.begin(node, k);
    this.queues.put(k, task, this.tick);
  }

  putMember(member: MemberState): void {
    this.changes++;
    this.members.set(member.node, member);
    this.loads.join(member.node, member.offer);
  }

  /** Remembers the number of a member, in place of the one that had it before. */
  putNumber(member: string, node: number): void {
    const before = this.names.get(node);
    if (before !== undefined && this.numbers.get(before) === node) this.numbers.delete(before);
    this.numbers.set(member, node);
    this.names.set(node, member);
  }

  private cut(body: CutEntry): void {
    this.nextCut = body.k + 1;
    this.candidates += body.count;
    for (const [partition, , to] of body.ranges) {
      this.positions.set(partition, to);
      this.lastPartition = partition;
    }
    if (body.k >= this.low) this.putTask(body.k, newTask(body));
  }

  private admit(body: ControlBody & { readonly type: 'admit' }): void {
    const { node, member, incarnation, key, offer } = body;
    this.lose(node);
    this.employ(node);
    this.putMember({ node, member, incarnation, key, offer, since: this.tick });
    this.putNumber(member, node);
    this.answered(body.request);
  }

  private applyToTask(body: TaskBody): void {
    const task = this.tasks.get(body.k);
    if (task === undefined) return;
    if (body.type === 'accept' && task.accepted === undefined) this.keepPace(task, body.attempt);
    this.change(body.k, task, () => applyToTask(task, body, this.tick));
  }

  /** A change of a task also changes loads and queues. */
  private change(k: number, task: TaskState, make: () => void): void {
    const before = nodesAt(task);
    make();
    for (const node of nodesAt(task)) this.loads.begin(node, k);
    for (const node of before) this.loads.end(node, k);
    this.queues.put(k, task, this.tick);
  }

  private keepPace(task: TaskState, accepted: number): void {
    const attempt = task.live.find((live) => live.attempt === accepted);
    if (attempt === undefined) return;
    this.paces.push(this.tick - attempt.since);
    if (this.paces.length > PACES_KEPT) this.paces.shift();
  }

  /** A new orchestrator may read the newest results again, and say of them what was said before. */
  private compare({ k, attempt, node, accepted, equal }: ControlBody & { readonly type: 'confirm' }): void {
    if (this.unequal.some((known) => known.k === k && known.attempt === attempt)) return;
    if (equal) this.copies.equal++;
    else {
      this.copies.unequal++;
      this.unequal.push({ k, attempt, node, accepted });
      if (this.unequal.length > UNEQUAL_KEPT) this.unequal.shift();
    }
  }

  /** Time never goes back, whatever a broken writer says. */
  private passTo(tick: number): void {
    this.tick = Math.max(this.tick, tick);
    for (let overdue = this.queues.overdue(this.tick); overdue.length > 0; overdue = this.queues.overdue(this.tick)) {
      for (const k of overdue) {
        const task = this.tasks.get(k);
        if (task === undefined) this.queues.remove(k);
        else this.queues.put(k, task, this.tick);
      }
    }
  }

  /** A new orchestrator goes on with the attempts that run: they are its members' own, and end with them. */
  private takeOver(body: ControlBody & { readonly type: 'open' }): void {
    this.opens++;
    this.owner = body.owner;
    this.memory = body.memory ?? 0;
    if (!this.keys.includes(body.key)) this.keys.push(body.key);
    this.beginAnew();
  }

  private beginAnew(): void {
    for (const k of [...this.queues.failing]) {
      const task = this.tasks.get(k);
      if (task !== undefined) this.change(k, task, () => forgive(task));
    }
  }

  /** The attempts and the probe of a member that is gone are over. */
  private lose(node: number): void {
    this.changes++;
    this.members.delete(node);
    this.loads.leave(node);
    for (const k of this.loads.tasksOf(node)) {
      const task = this.tasks.get(k);
      if (task !== undefined) this.change(k, task, () => loseNode(task, node));
    }
  }

  private forget(k: number): void {
    const task = this.tasks.get(k);
    if (task === undefined) return;
    for (const node of nodesAt(task)) this.loads.end(node, k);
    this.queues.remove(k);
    this.tasks.delete(k);
  }

  private given({ epoch, node }: { readonly epoch: number; readonly node: number }): RoleState {
    return { epoch, node, incarnation: this.members.get(node)?.incarnation ?? '', since: this.tick };
  }

  private employ(node: number): void {
    this.nodes = Math.max(this.nodes, node + 1);
  }

  /** A request is answered once: an entry that answers none carries NO_REQUEST. */
  private answered(request: number): void {
    if (request !== NO_REQUEST) this.nextRequest = Math.max(this.nextRequest, request + 1);
  }
}
