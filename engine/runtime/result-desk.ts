/**
 * What members report, taken as facts: every entry of the results topic is checked, counted, and turned into the control entry that
 * follows from it, if one does (P1). What to do about the facts is decided elsewhere.
 */
import { MizuError } from '../contract/errors.ts';
import type { LogEntry } from '../contract/log.ts';
import type { Json } from '../contract/program.ts';
import type { ControlBody, Mark } from '../dispatch/control-entry.ts';
import type { FailedAttempt, ProbeResult, ResultBody, Sealed, TaskResult } from '../dispatch/member-entry.ts';
import { decodeResult, readEntry } from '../dispatch/signed-entry.ts';
import type { ControlFold, TaskState } from '../dispatch/control-fold.ts';
import type { MemberKeys } from '../dispatch/member-keys.ts';
import { sha256, toHex } from '../proof/sha256.ts';
import type { ControlState } from './control-snapshot.ts';
import { PROCESS_FAILURES } from './leases.ts';
import type { LogCursor } from './log-cursor.ts';
import type { RunContext } from './run-context.ts';
import { RunTotals } from './run-totals.ts';

/** Complete tasks after which control says how far the run has come: at most so many have their results read again by a successor. */
export const MARK_TASKS = 64;

/** Tasks below the newest mark whose leaves are remembered, so that a copy that comes late still confirms, or shows that something is wrong. */
const COMPARED_TASKS = 1_024;

/** What a second result of a task is compared with. */
interface Accepted {
  readonly attempt: number;
  readonly node: number;
  /** Attempts below it were not given the same poison: they need not agree. */
  readonly validFrom: number;
  readonly leaves: string;
}

export class ResultDesk {
  readonly totals: RunTotals;
  /** Tick at which each member was last heard of. */
  readonly heard = new Map<number, number>();
  /** What the last dead attempt said, for people; control has only its code. */
  lastFailure: string | undefined;
  /** A failure that another attempt would only repeat: the run can't go on until its cause is mended. Cleared by whoever acts on it. */
  fatal: MizuError | undefined;
  /** The newest head of the whole tree that a checkpointer reported. */
  sealed: Sealed | undefined;
  /** Reports of aggregates, by step id; undefined until the last stage said that it is over. */
  reports: Readonly<Record<string, Json>> | undefined;
  private marked: Mark | undefined;
  private readonly context: RunContext;
  private readonly fold: ControlFold;
  private readonly keys: MemberKeys;
  private readonly accepted = new Map<number, Accepted>();
  /** Second results that control has spoken of, K/ATTEMPT, of tasks in `accepted`. */
  private readonly compared = new Set<string>();
  /** Per member number, the offsets of results that a successor would have to count: those of tasks that are not complete. */
  private readonly open = new Map<number, { readonly offset: number; readonly k: number }[]>();

  /** Fold, keys and mark: what control says up to where it is read on. */
  constructor(context: RunContext, { fold, keys, mark }: Pick<ControlState, 'fold' | 'keys' | 'mark'>) {
    this.context = context;
    this.fold = fold;
    this.keys = keys;
    this.marked = mark;
    this.totals = new RunTotals(context.program, (node) => fold.nameOf(node));
  }

  /** Sees every control entry, those of earlier orchestrators too. */
  note(body: ControlBody): void {
    if (body.type === 'mark') this.marked = body;
    if (body.type === 'confirm') this.compared.add(`${body.k}/${body.attempt}`);
    if (body.type === 'admit') this.heard.set(body.node, this.fold.tick);
  }

  /** The mark that stands in control now. */
  get newestMark(): Mark | undefined {
    return this.marked;
  }

  /** Goes on from the newest mark, and gives every member its time anew. Gives the offset of each member's results from which to read. */
  resume(): readonly number[] {
    for (const node of this.fold.members.keys()) this.heard.set(node, this.fold.tick);
    if (this.marked !== undefined) this.totals.goOn(this.marked);
    return this.marked?.results ?? [];
  }

  /** The mark that would stand in control now, once MARK_TASKS more tasks are complete, or at once. */
  mark(cursors: readonly LogCursor[], atOnce: boolean): Mark | undefined {
    const { published } = this.totals;
    if (!atOnce && published < (this.marked?.published ?? 0) + MARK_TASKS) return undefined;
    const results = cursors.map((cursor) => {
      const open = (this.open.get(cursor.partition) ?? []).filter(({ k }) => k >= published);
      this.open.set(cursor.partition, open);
      return open[0]?.offset ?? cursor.position;
    });
    return { type: 'mark', published, ...this.totals.save(), results };
  }

  /** The entry that follows from a result, if one does. */
  take(cursor: LogCursor, entry: LogEntry): ControlBody | undefined {
    const signed = readEntry(decodeResult, cursor.topic, cursor.partition, entry);
    if (signed.body.node !== cursor.partition || !this.keys.signed('mizu-result-v1', this.context.title, signed)) return undefined;
    this.heard.set(cursor.partition, this.fold.tick);
    const { body } = signed;
    if (body.type === 'task' || body.type === 'step') {
      const open = this.open.get(cursor.partition) ?? [];
      open.push({ offset: entry.offset, k: body.k });
      this.open.set(cursor.partition, open);
    }
    return this.judge(body, entry.value);
  }

  /** Tasks below k are complete: those that are long complete are forgotten. */
  forgetBelow(k: number): void {
    const from = k - COMPARED_TASKS;
    for (const known of this.accepted.keys()) if (known < from) this.accepted.delete(known);
    for (const known of this.compared) if (Number(known.split('/', 1)[0]) < from) this.compared.delete(known);
  }

  private judge(body: ResultBody, bytes: Uint8Array): ControlBody | undefined {
    switch (body.type) {
      case 'step':
        this.totals.addStep(body);
        return undefined;
      case 'task':
        return this.takeTask(body, bytes);
      case 'failed-attempt':
        return this.takeFailure(body);
      case 'probe-result':
        return this.takeProbe(body);
      case 'report':
        this.reports = body.reports;
        return undefined;
      case 'sealed':
        this.sealed = body;
        return undefined;
      case 'heartbeat':
      case 'unanswered':
        return undefined;
    }
  }

  private takeTask(body: TaskResult, bytes: Uint8Array): ControlBody | undefined {
    const task = this.fold.tasks.get(body.k);
    if (task === undefined) return this.compare(body);
    if (task.accepted !== undefined) return this.takeAgain(task, task.accepted, body);
    if (body.attempt < task.validFrom || this.totals.hasTask(body.k)) return undefined;
    this.count(task, body);
    return { type: 'accept', k: body.k, attempt: body.attempt, node: body.node, result: toHex(sha256(bytes)) };
  }

  /** A result of a task that control accepted: the accepted one again, read by a new orchestrator, or another. */
  private takeAgain(task: TaskState, accepted: NonNullable<TaskState['accepted']>, body: TaskResult): ControlBody | undefined {
    if (accepted.attempt !== body.attempt || accepted.node !== body.node) return this.compare(body);
    this.count(task, body);
    return undefined;
  }

  private count({ validFrom }: TaskState, body: TaskResult): void {
    const { k, attempt, node, leaves } = body;
    this.totals.addTask(body);
    this.accepted.set(k, { attempt, node, validFrom, leaves });
  }

  /** A second result confirms the one that counts, or is evidence that one of the two is wrong. */
  private compare({ k, attempt, node, leaves }: TaskResult): ControlBody | undefined {
    const accepted = this.accepted.get(k);
    if (accepted === undefined || attempt === accepted.attempt || attempt < accepted.validFrom) return undefined;
    if (this.compared.has(`${k}/${attempt}`)) return undefined;
    return { type: 'confirm', k, attempt, node, accepted: accepted.node, equal: leaves === accepted.leaves };
  }

  private takeFailure(body: FailedAttempt): ControlBody | undefined {
    const task = this.waitingFor(body.k);
    if (!task?.live.some(({ attempt }) => attempt === body.attempt)) return undefined;
    this.lastFailure = body.message;
    if (!PROCESS_FAILURES.includes(body.code)) this.outcomeOf(body);
    return { type: 'dead', k: body.k, attempt: body.attempt, reason: body.code };
  }

  private takeProbe(body: ProbeResult): ControlBody | undefined {
    if (this.waitingFor(body.k)?.probe?.probe !== body.probe) return undefined;
    const outcome = body.code === '' ? 'survived' : PROCESS_FAILURES.includes(body.code) ? 'unreachable' : this.outcomeOf(body);
    return { type: 'probed', k: body.k, probe: body.probe, outcome };
  }

  /** A task that no result was taken for yet. */
  private waitingFor(k: number): TaskState | undefined {
    const task = this.fold.tasks.get(k);
    return task === undefined || task.accepted !== undefined || this.totals.hasTask(k) ? undefined : task;
  }

  private outcomeOf(failure: FailedAttempt | ProbeResult): 'died' | 'unreachable' {
    if (failure.code === 'WORKER_DIED') return 'died';
    if (failure.code !== 'UPSTREAM_UNREACHABLE') {
      this.fatal ??= new MizuError('ATTEMPTS_EXHAUSTED', `Task ${failure.k} failed: ${failure.message}`, {
        component: `0/${failure.k}`,
        hint: 'Nothing committed is lost; mend the cause and run again with the same log.',
      });
    }
    return 'unreachable';
  }
}
