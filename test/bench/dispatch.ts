/**
 * The dispatcher at work on virtual time: the real decisions and the real fold for many nodes and many tasks whose times have heavy tails,
 * while nodes die, come back and lose attempts. A tick is a virtual second. Measured is everything that the
 * dispatcher does, by the machine's clock; encoding, signing and the log are not part of it.
 */
import { admitMembers, type JoinRequest, silentMembers } from '../../engine/dispatch/membership.ts';
import type { ControlBody, CutEntry, Offer } from '../../engine/dispatch/control-entry.ts';
import { ControlFold } from '../../engine/dispatch/control-fold.ts';
import { TASKS_PER_SLOT } from '../../engine/dispatch/member-loads.ts';
import { type DispatchPlan, nextEntries } from '../../engine/dispatch/next-entries.ts';
import { roleEntries } from '../../engine/dispatch/roles.ts';

export interface DispatchBenchOptions {
  readonly nodes: number;
  readonly tasks: number;
  readonly seed: number;
}

export interface DispatchFigures {
  readonly nodes: number;
  readonly tasks: number;
  readonly seed: number;
  /** Of all nodes at the begin. */
  readonly slots: number;
  readonly assignments: number;
  /** Attempts beside others, and those after a death or a loss. */
  readonly beside: number;
  readonly again: number;
  readonly nodesDied: number;
  readonly nodesBack: number;
  /** Control entries in all. */
  readonly entries: number;
  readonly dispatcherSeconds: number;
  readonly microsecondsPerAssignment: number;
  /** Processor time of the same, where other programs on the machine do not show; with what the simulation does in between. */
  readonly cpuMicrosecondsPerAssignment: number;
  /** Longest turn of the dispatcher, milliseconds. */
  readonly longestTurnMs: number;
  /** Tasks that the fold held at most. */
  readonly tasksHeld: number;
  /** Virtual seconds. */
  readonly makespan: number;
  readonly workPerSlot: number;
  readonly longestTask: number;
  /** 1.1 × work per slot + the longest task. */
  readonly bound: number;
  /** Makespan over work per slot: 1 is a schedule without a gap. */
  readonly stretch: number;
}

/** Turns of the orchestrator in a tick: results wait for the next one. */
const TURNS_PER_TICK = 10;
const DEADLINE_TICKS = 300;
const LOST_TICKS = 10;
/** A node that died comes back after so many ticks, if it does. */
const BACK_TICKS = 40;
const NODES_THAT_DIE = 0.01;
const NODES_THAT_COME_BACK = 0.5;
const ATTEMPTS_THAT_DIE = 0.0001;
/** Task times in seconds: half of them Pareto with this shape, half log-normal; both are cut off. */
const PARETO_SHAPE = 1.5;
const PARETO_LEAST = 4;
const LOG_NORMAL_MEDIAN = 8;
const LONGEST = 300;
const LARGEST_NODE = 8;
const NEEDS = { ops: ['echo@1', 'length@1'] };
const STAGES = [{ index: 1, partitions: 8 }];
const ENOUGH_TURNS = 1_000_000;

export async function benchDispatch(options: DispatchBenchOptions): Promise<DispatchFigures> {
  return new World(options).run();
}

/** A node: its threads, and what waits for them. */
class Worker {
  readonly slots: number;
  readonly name: string;
  life = 0;
  alive = true;
  running = 0;
  readonly waiting: Attempt[] = [];

  constructor(name: string, slots: number) {
    this.name = name;
    this.slots = slots;
  }

  get offer(): Offer {
    const memory = this.slots * 1_000_000;
    return { slots: this.slots, weight: this.slots, steps: true, checkpoints: true, answers: false, ops: NEEDS.ops, models: [], memory };
  }
}

interface Attempt {
  readonly k: number;
  readonly attempt: number;
  readonly worker: Worker;
  readonly life: number;
}

class World {
  private readonly options: DispatchBenchOptions;
  private readonly random: () => number;
  private readonly fold = new ControlFold();
  private readonly workers: Worker[];
  /** By member number. */
  private readonly byNode = new Map<number, Worker>();
  private readonly times: Float64Array;
  private readonly ends = new Ends();
  private readonly heard = new Map<number, number>();
  private readonly deaths = new Map<number, Worker[]>();
  private readonly returns = new Map<number, Worker[]>();
  private joins: JoinRequest[] = [];
  private facts: ControlBody[] = [];
  private requests = 0;
  private accepted = 0;
  private published = 0;
  private turnMs = 0;
  private now = 0;
  private readonly count = { assignments: 0, beside: 0, again: 0, died: 0, back: 0, entries: 0, ms: 0, longestMs: 0, held: 0, makespan: 0 };

  constructor(options: DispatchBenchOptions) {
    this.options = options;
    this.random = seeded(options.seed);
    this.workers = Array.from({ length: options.nodes }, (_, n) => new Worker(`node-${n}`, 1 + Math.floor(this.random() * LARGEST_NODE)));
    this.times = Float64Array.from({ length: options.tasks }, () => taskTime(this.random));
  }

  run(): DispatchFigures {
    const { nodes, tasks, seed } = this.options;
    const cpuBefore = process.cpuUsage();
    const slots = this.workers.reduce((sum, worker) => sum + worker.slots, 0);
    const workPerSlot = this.times.reduce((sum, time) => sum + time, 0) / slots;
    const longestTask = this.times.reduce((longest, time) => Math.max(longest, time), 0);
    this.planDeaths(workPerSlot);
    for (const worker of this.workers) this.join(worker);
    for (let turn = 0; this.accepted < tasks; turn++) {
      if (turn > ENOUGH_TURNS) throw new RangeError(`after ${turn} turns ${tasks - this.accepted} tasks are not done`);
      this.turn(turn);
      this.passUntil((turn + 1) / TURNS_PER_TICK);
    }
    const { count } = this;
    const cpu = process.cpuUsage(cpuBefore);
    const bound = 1.1 * workPerSlot + longestTask;
    return {
      ...{ nodes, tasks, seed, slots },
      ...{ assignments: count.assignments, beside: count.beside, again: count.again, nodesDied: count.died, nodesBack: count.back },
      ...{ entries: count.entries, dispatcherSeconds: count.ms / 1000, longestTurnMs: count.longestMs, tasksHeld: count.held },
      cpuMicrosecondsPerAssignment: (cpu.user + cpu.system) / count.assignments,
      microsecondsPerAssignment: (count.ms * 1000) / count.assignments,
      ...{ makespan: count.makespan, workPerSlot, longestTask, bound, stretch: count.makespan / workPerSlot },
    };
  }

  private planDeaths(workPerSlot: number): void {
    for (const worker of this.workers) {
      if (this.random() >= NODES_THAT_DIE) continue;
      const tick = Math.ceil(this.random() * workPerSlot);
      push(this.deaths, tick, worker);
      if (this.random() < NODES_THAT_COME_BACK) push(this.returns, tick + BACK_TICKS, worker);
    }
  }

  private join(worker: Worker): void {
    const { name: member, life, offer } = worker;
    this.joins.push({ request: this.requests++, body: { type: 'join', member, incarnation: String(life), key: 'a'.repeat(64), offer } });
  }

  /** One turn of the orchestrator; only what the dispatcher does is timed. */
  private turn(turn: number): void {
    const tick = turn / TURNS_PER_TICK;
    const isTick = Number.isInteger(tick);
    this.now = tick;
    if (isTick) this.happen(tick);
    const { facts, joins, fold } = this;
    this.facts = [];
    this.joins = [];
    const { nodes } = this.options;
    this.turnMs = 0;
    this.write(() => facts);
    if (isTick) {
      for (const [node, worker] of this.byNode) if (worker.alive) this.heard.set(node, tick);
      this.write(() => [{ type: 'tick', tick }]);
      this.write(() => silentMembers(fold, this.heard, LOST_TICKS));
    }
    this.write(() => admitMembers(fold, joins, { employed: nodes, numbers: nodes }).entries);
    this.write(() => roleEntries(fold, STAGES, { gateway: false }));
    const plan = this.plan();
    this.write(() => nextEntries(fold, plan));
    while (fold.tasks.get(this.published)?.accepted !== undefined) this.published++;
    this.timed(() => fold.forgetBelow(this.published));
    this.count.ms += this.turnMs;
    this.count.longestMs = Math.max(this.count.longestMs, this.turnMs);
    this.count.held = Math.max(this.count.held, fold.tasks.size);
  }

  private happen(tick: number): void {
    for (const worker of this.deaths.get(tick) ?? []) {
      worker.alive = false;
      worker.waiting.length = 0;
      worker.running = 0;
      this.count.died++;
    }
    for (const worker of this.returns.get(tick) ?? []) {
      worker.alive = true;
      worker.life++;
      this.count.back++;
      this.join(worker);
    }
  }

  private timed<T>(work: () => T): T {
    const begin = performance.now();
    const result = work();
    this.turnMs += performance.now() - begin;
    return result;
  }

  private write(decide: () => readonly ControlBody[]): void {
    const bodies = this.timed(() => {
      const decided = decide();
      for (const body of decided) this.fold.apply(body);
      return decided;
    });
    this.count.entries += bodies.length;
    for (const body of bodies) this.follow(body);
  }

  /** As many tasks are cut as members have room for. */
  private plan(): DispatchPlan {
    const { fold, options } = this;
    const end = Math.min(options.tasks, fold.nextCut + Math.max(0, fold.slots() * TASKS_PER_SLOT - (fold.nextCut - this.accepted)));
    const cuts: CutEntry[] = [];
    for (let k = fold.nextCut; k < end; k++) cuts.push({ type: 'cut', k, branch: 0, first: k, count: 1, ranges: [] });
    return { deadlineTicks: DEADLINE_TICKS, needs: NEEDS, cuts, more: end < options.tasks };
  }

  /** What members do about an entry. */
  private follow(body: ControlBody): void {
    if (body.type === 'admit') {
      const worker = this.workers[Number(body.member.slice('node-'.length))];
      if (worker !== undefined) this.byNode.set(body.node, worker);
    }
    if (body.type === 'accept') this.accepted++;
    if (body.type !== 'assign') return;
    this.count.assignments++;
    const live = this.fold.tasks.get(body.k)?.live.length ?? 0;
    if (live > 1) this.count.beside++;
    else if (body.attempt > 0) this.count.again++;
    const worker = this.byNode.get(body.node);
    if (worker?.alive !== true) return;
    worker.waiting.push({ k: body.k, attempt: body.attempt, worker, life: worker.life });
    this.start(worker, this.now);
  }

  /** What was accepted from another node meanwhile is not begun any more. */
  private start(worker: Worker, now: number): void {
    while (worker.running < worker.slots) {
      const next = worker.waiting.shift();
      if (next === undefined) return;
      const task = this.fold.tasks.get(next.k);
      if (task === undefined || task.accepted !== undefined) continue;
      worker.running++;
      this.ends.add(now + (this.times[next.k] ?? 0), next);
    }
  }

  private passUntil(time: number): void {
    const told = new Set<number>();
    for (let end = this.ends.takeUntil(time); end !== undefined; end = this.ends.takeUntil(time)) {
      const { k, attempt, worker, life } = end.attempt;
      if (!worker.alive || worker.life !== life) continue;
      worker.running--;
      const dies = this.random() < ATTEMPTS_THAT_DIE;
      const node = this.fold.numbers.get(worker.name) ?? 0;
      const task = this.fold.tasks.get(k);
      if (task !== undefined && task.accepted === undefined && !told.has(k)) {
        if (dies) this.facts.push({ type: 'dead', k, attempt, reason: 'WORKER_DIED' });
        else this.facts.push({ type: 'accept', k, attempt, node, result: 'c'.repeat(64) });
        if (!dies) told.add(k);
        this.count.makespan = end.time;
      }
      this.start(worker, end.time);
    }
  }
}

/** Attempts by the time at which they end: a binary heap. */
class Ends {
  private readonly heap: { readonly time: number; readonly attempt: Attempt }[] = [];

  add(time: number, attempt: Attempt): void {
    const { heap } = this;
    let at = heap.push({ time, attempt }) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.timeAt(parent) <= this.timeAt(at)) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  takeUntil(time: number): { readonly time: number; readonly attempt: Attempt } | undefined {
    const { heap } = this;
    if (this.timeAt(0) >= time) return undefined;
    this.swap(0, heap.length - 1);
    const first = heap.pop();
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      const least = this.timeAt(left + 1) < this.timeAt(left) ? left + 1 : left;
      if (this.timeAt(least) >= this.timeAt(at)) return first;
      this.swap(at, least);
      at = least;
    }
  }

  private timeAt(at: number): number {
    return this.heap[at]?.time ?? Number.POSITIVE_INFINITY;
  }

  private swap(a: number, b: number): void {
    const [left, right] = [this.heap[a], this.heap[b]];
    if (left === undefined || right === undefined) return;
    this.heap[a] = right;
    this.heap[b] = left;
  }
}

function taskTime(random: () => number): number {
  if (random() < 0.5) return Math.min(LONGEST, PARETO_LEAST / (1 - random()) ** (1 / PARETO_SHAPE));
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.min(LONGEST, LOG_NORMAL_MEDIAN * Math.exp(normal));
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function push<T>(map: Map<number, T[]>, key: number, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
