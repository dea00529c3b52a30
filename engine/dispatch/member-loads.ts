/**
 * Who works at what, and who may be given more: the load of each member, and, for each set of needs that was asked for, the weights of
 * the members that meet it (P17). Every change costs O(log n) in the number of members, none in the number of tasks.
 */
import type { Offer } from './control-entry.ts';
import { WeightTree } from './weight-tree.ts';

/**
 * Attempts that a member may have per slot: one runs, the others wait, so that no slot is idle while a result travels to the orchestrator
 * and the next assignment back. More would only bind tasks to a member that may be slow.
 */
export const TASKS_PER_SLOT = 4;
/** Sets of needs that are kept at once. A run asks for one, and for another when its settings change. */
const NEEDS_KEPT = 4;

/** What the tasks of a program ask of the members that take them. No model: questions go to the gateway, whoever has the task (P8). */
export interface Needs {
  /** Ops, `name@version`. */
  readonly ops: readonly string[];
}

/** Members that take tasks and meet some needs, by number. */
export class CapableMembers {
  /** Weights of those with a free slot. */
  readonly idle = new WeightTree();
  /** Weights of those with room for more, be it to wait. */
  readonly room = new WeightTree();
  private readonly needs: Needs;
  private readonly memory: number;
  private readonly offers = new Map<number, Offer>();

  /** `memory`: for each slot, bytes. */
  constructor(needs: Needs, memory: number) {
    this.needs = { ops: [...needs.ops] };
    this.memory = memory;
  }

  /** All of them, busy or not. */
  get count(): number {
    return this.offers.size;
  }

  join(node: number, offer: Offer, load: number): void {
    if (offer.slots === 0 || !meets(offer, this.needs, this.memory)) return;
    this.offers.set(node, offer);
    this.place(node, load);
  }

  leave(node: number): void {
    if (!this.offers.delete(node)) return;
    this.idle.set(node, 0);
    this.room.set(node, 0);
  }

  place(node: number, load: number): void {
    const offer = this.offers.get(node);
    if (offer === undefined) return;
    this.idle.set(node, load < offer.slots ? offer.weight : 0);
    this.room.set(node, load < offer.slots * TASKS_PER_SLOT ? offer.weight : 0);
  }
}

export class MemberLoads {
  /** Attempts and probes that are not over: node → task → how many. Also of nodes that are no members. */
  private readonly work = new Map<number, Map<number, number>>();
  private readonly loads = new Map<number, number>();
  private readonly offers = new Map<number, Offer>();
  /** By their needs as text; the newest last. */
  private readonly sets = new Map<string, CapableMembers>();
  /** Slots of all members. */
  slots = 0;
  /** Members that take tasks. */
  takers = 0;

  of(node: number): number {
    return this.loads.get(node) ?? 0;
  }

  slotsOf(node: number): number {
    return this.offers.get(node)?.slots ?? 0;
  }

  /** Tasks that the node is at. */
  tasksOf(node: number): number[] {
    return [...(this.work.get(node)?.keys() ?? [])];
  }

  join(node: number, offer: Offer): void {
    this.leave(node);
    this.offers.set(node, offer);
    this.slots += offer.slots;
    if (offer.slots > 0) this.takers++;
    for (const set of this.sets.values()) set.join(node, offer, this.of(node));
  }

  leave(node: number): void {
    const offer = this.offers.get(node);
    if (offer === undefined) return;
    this.offers.delete(node);
    this.slots -= offer.slots;
    if (offer.slots > 0) this.takers--;
    for (const set of this.sets.values()) set.leave(node);
  }

  begin(node: number, k: number): void {
    let tasks = this.work.get(node);
    if (tasks === undefined) {
      tasks = new Map();
      this.work.set(node, tasks);
    }
    tasks.set(k, (tasks.get(k) ?? 0) + 1);
    this.change(node, 1);
  }

  end(node: number, k: number): void {
    const tasks = this.work.get(node);
    const count = tasks?.get(k);
    if (tasks === undefined || count === undefined) return;
    if (count > 1) tasks.set(k, count - 1);
    else tasks.delete(k);
    if (tasks.size === 0) this.work.delete(node);
    this.change(node, -1);
  }

  /** Changes a load by itself: for decisions that are tried, and taken back before anybody looks. */
  change(node: number, by: number): void {
    const load = this.of(node) + by;
    if (load === 0) this.loads.delete(node);
    else this.loads.set(node, load);
    for (const set of this.sets.values()) set.place(node, load);
  }

  /** The members that meet the needs and have `memory` bytes for each slot. Kept up to date from the first time that it is asked for. */
  capable(needs: Needs, memory: number): CapableMembers {
    const key = JSON.stringify([needs.ops, memory]);
    const known = this.sets.get(key);
    if (known !== undefined) return known;
    const set = new CapableMembers(needs, memory);
    for (const [node, offer] of this.offers) set.join(node, offer, this.of(node));
    const [oldest] = this.sets.keys();
    if (oldest !== undefined && this.sets.size >= NEEDS_KEPT) this.sets.delete(oldest);
    this.sets.set(key, set);
    return set;
  }
}

function meets(offer: Offer, needs: Needs, memory: number): boolean {
  return hasMemory(offer, memory) && needs.ops.every((op) => offer.ops.includes(op));
}

/** Every slot may be at a task. */
export function hasMemory({ memory, slots }: Offer, perSlot: number): boolean {
  return memory >= perSlot * slots;
}
