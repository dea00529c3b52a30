/**
 * The control log, read raw (P1): one orchestrator after the other wrote it, each knowing all that stands before. So whatever repeats a cut, skips one, gives
 * an epoch twice, or counts time back was written by somebody who did not know, or no longer had the right to. Holds numbers and the living members only.
 */
import type { LogEntry } from '../contract/log.ts';
import type { ControlBody } from '../dispatch/control-entry.ts';
import { decodeControl, verifySigned } from '../dispatch/signed-entry.ts';
import { ControlFold } from '../dispatch/control-fold.ts';
import { fromHex } from '../proof/sha256.ts';
import { WINDOW_PER_SLOT } from '../runtime/run-context.ts';
import type { FindingKind } from './audit-findings.ts';
import type { ControlSnapshotAudit } from './audit-control-snapshots.ts';
import { type AuditContext, decoded, rawEntries } from './audit-reader.ts';

type Body<T extends ControlBody['type']> = ControlBody & { readonly type: T };

export class ControlAudit {
  private readonly context: AuditContext;
  private readonly topic: string;
  /** Where the next pass goes on. */
  private position = 0;
  private at = 0;
  private key: string | undefined;
  private firstKey: string | undefined;
  private nextCut = 0;
  private candidates = 0;
  private tick = 0;
  private marked = 0;
  private admissions = 0;
  private closed = false;
  private readonly positions = new Map<number, number>();
  private readonly epochs = new Map<string, number>();
  /** Slots of those that take part now, by number. */
  private readonly members = new Map<number, number>();
  /** Every key that a number was admitted with. */
  private readonly keys = new Map<number, Set<string>>();
  private slots = 1;
  /** What snapshots of control are compared with. */
  private readonly fold = new ControlFold();
  private readonly snapshots: ControlSnapshotAudit;
  finish: Body<'finish'> | undefined;

  constructor(context: AuditContext, snapshots: ControlSnapshotAudit) {
    this.context = context;
    this.snapshots = snapshots;
    this.topic = context.topics.control;
  }

  /** Reads what is there and was not read yet. */
  async pass(): Promise<void> {
    for await (const entry of rawEntries(this.context, this.topic, 0, this.position)) {
      this.take(entry);
      this.position = entry.offset + 1;
    }
    this.snapshots.meet(await this.context.log.end(this.topic, 0), this.fold, this.firstKey ?? '');
  }

  /** Tasks below it are complete: all that they made must be there. */
  get complete(): number {
    return this.finish === undefined ? this.marked : this.finish.last + 1;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** Records of each partition of the source that are cut. */
  get cutTo(): ReadonlyMap<number, number> {
    return this.positions;
  }

  /** Tasks that may have been in flight at once. */
  get window(): number {
    return this.slots * WINDOW_PER_SLOT;
  }

  keysOf(node: number): Iterable<string> {
    return this.keys.get(node) ?? [];
  }

  private find(kind: FindingKind, what: string): void {
    this.context.findings.report(kind, { topic: this.topic, partition: 0, offset: this.at }, what);
  }

  private take(entry: LogEntry): void {
    this.at = entry.offset;
    this.snapshots.meet(entry.offset, this.fold, this.firstKey ?? '');
    const signed = decoded(this.context, this.topic, 0, entry, () => decodeControl(entry.value));
    if (signed === undefined) return;
    const { body } = signed;
    if (this.closed) this.find('zombie', `'${body.type}' was written after the run was closed`);
    if (body.type === 'open') this.open(body);
    else if (this.key === undefined) this.find('zombie', `'${body.type}' was written before any orchestrator opened the run`);
    if (this.key !== undefined && !verifySigned('mizu-control-v1', this.context.title, signed, fromHex(this.key)))
      this.find('zombie', `'${body.type}' is not signed by the orchestrator that opened the run last`);
    this.follow(body);
    this.fold.apply(body);
  }

  private open({ key, owner }: Body<'open'>): void {
    this.firstKey ??= key;
    if (key !== this.firstKey) this.find('zombie', `${owner} opened the run under key ${key}, which is not that of the run`);
    this.key = key;
  }

  private follow(body: ControlBody): void {
    const { facts } = this.context;
    switch (body.type) {
      case 'cut':
        this.cut(body);
        return;
      case 'assign':
        this.memberOnly(body.node, `attempt ${body.attempt} of task ${body.k}`);
        if (body.k >= this.nextCut) this.find('zombie', `task ${body.k} is assigned, which was not cut`);
        facts.add('assign', body.k, body.attempt, body.node);
        return;
      case 'accept':
        if (body.k >= this.nextCut) this.find('zombie', `task ${body.k} is accepted, which was not cut`);
        facts.add('accept', body.k, body.attempt, body.node, body.result, this.at);
        return;
      case 'poison':
        facts.add('poison', body.k, body.i);
        return;
      case 'lease':
        this.memberOnly(body.node, `step ${body.stage}/${body.partition}`);
        this.epoch(`lease ${body.stage}/${body.partition}`, body.epoch);
        facts.add('lease', body.stage, body.partition, body.epoch, body.node);
        return;
      case 'appoint':
        this.memberOnly(body.node, body.role);
        this.epoch(body.role, body.epoch);
        facts.add('appoint', body.role, body.epoch, body.node);
        return;
      case 'admit':
        this.admit(body);
        return;
      case 'lost':
        if (!this.members.delete(body.node)) this.find('zombie', `node ${body.node} is lost, which took no part`);
        return;
      case 'tick':
        if (body.tick <= this.tick) this.find('zombie', `tick ${body.tick} comes after tick ${this.tick}`);
        else if (body.tick > this.tick + 1) this.find('lost', `ticks ${this.tick + 1} to ${body.tick - 1} are missing`);
        this.tick = Math.max(this.tick, body.tick);
        return;
      case 'mark':
        if (body.published < this.marked) this.find('zombie', `${body.published} tasks are marked, after ${this.marked}`);
        this.marked = Math.max(this.marked, body.published);
        return;
      case 'finish':
        if (this.finish !== undefined) this.find('zombie', 'the run is finished a second time');
        this.finish ??= body;
        return;
      case 'close':
        this.closed = true;
        return;
      default:
    }
  }

  private cut(body: Body<'cut'>): void {
    if (body.k < this.nextCut) return this.find('duplicated', `task ${body.k} is cut a second time`);
    if (this.finish !== undefined) this.find('zombie', `task ${body.k} is cut after the run was finished`);
    if (body.k > this.nextCut) this.find('lost', `the cuts of tasks ${this.nextCut} to ${body.k - 1} are missing`);
    else if (body.first !== this.candidates)
      this.find('lost', `task ${body.k} begins with candidate ${body.first}, and ${this.candidates} comes next`);
    for (const [partition, from, to] of body.ranges) {
      const expected = this.positions.get(partition);
      if (expected !== undefined && from > expected)
        this.find('lost', `records ${expected} to ${from - 1} of partition ${partition} of the source are in no task`);
      if (expected !== undefined && from < expected)
        this.find('duplicated', `records from ${from} on of partition ${partition} of the source are in two tasks`);
      this.positions.set(partition, Math.max(expected ?? 0, to));
      this.context.facts.add('taken', body.k, partition, from, to);
    }
    this.nextCut = body.k + 1;
    this.candidates = body.first + body.count;
    this.context.facts.add('cut', body.k, body.first, body.count, this.at);
  }

  private epoch(name: string, epoch: number): void {
    const next = (this.epochs.get(name) ?? -1) + 1;
    if (epoch < next) this.find('zombie', `${name} is given under epoch ${epoch}, after epoch ${next - 1}`);
    if (epoch > next) this.find('lost', `${name} is given under epoch ${epoch}, and epoch ${next} comes next`);
    this.epochs.set(name, Math.max(epoch, next - 1));
  }

  private memberOnly(node: number, what: string): void {
    if (!this.members.has(node)) this.find('zombie', `${what} is given to node ${node}, which takes no part`);
  }

  private admit({ node, incarnation, key, offer }: Body<'admit'>): void {
    this.members.set(node, offer.slots);
    this.slots = Math.max(
      this.slots,
      [...this.members.values()].reduce((sum, slots) => sum + slots, 0),
    );
    const keys = this.keys.get(node) ?? new Set();
    this.keys.set(node, keys.add(key));
    this.context.facts.add('admit', node, incarnation, this.admissions++);
  }
}
