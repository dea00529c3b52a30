/** What control says of a run as a whole, folded for an auditor: he needs every task, and not only those in flight. */
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Json } from '../contract/program.ts';
import type { ControlBody, CutEntry } from '../dispatch/control-entry.ts';
import type { FinishReason } from '../dispatch/finish-reasons.ts';
import { decodeControl } from '../dispatch/signed-entry.ts';
import { readAll } from '../runtime/log-cursor.ts';
import { WINDOW_PER_SLOT } from '../runtime/run-context.ts';
import type { RunTopics } from '../runtime/topics.ts';

export interface TaskFacts {
  readonly cut: CutEntry;
  readonly attempt: number;
  /** Whether control accepted a result; `attempt` is 0 otherwise. */
  readonly accepted: boolean;
  readonly poison: readonly number[];
}

export interface RunFacts {
  readonly tasks: ReadonlyMap<number, TaskFacts>;
  /** The last task that counts; undefined while the run is not finished. */
  readonly finish: { readonly last: number; readonly reason: FinishReason } | undefined;
  readonly closed: boolean;
  /** Tasks that may have been in flight together. */
  readonly window: number;
  /** Of the run's last entry; undefined while it is not closed. */
  readonly summary: Json | undefined;
}

/** @param until offset of control before which is read; default: its end. @throws LOG_CORRUPT, BYTES_INVALID. */
export async function readFacts(log: Log, topics: RunTopics, until?: number): Promise<RunFacts> {
  const tasks = new Map<number, { cut: CutEntry; attempt: number; poison: number[]; accepted: boolean }>();
  let finish: Extract<ControlBody, { type: 'finish' }> | undefined;
  let summary: Json | undefined;
  let closed = false;
  const slots = new Slots();
  for await (const entry of readAll(log, topics.control, 0, offset(0), until)) {
    const { body } = decodeControl(entry.value);
    slots.take(body);
    if (body.type === 'cut') tasks.set(body.k, { cut: body, attempt: 0, poison: [], accepted: false });
    const task = 'k' in body ? tasks.get(body.k) : undefined;
    if (body.type === 'accept' && task !== undefined && !task.accepted) {
      task.attempt = body.attempt;
      task.accepted = true;
    }
    if (body.type === 'poison') task?.poison.push(body.i);
    if (body.type === 'finish') finish ??= body;
    if (body.type === 'close') {
      closed = true;
      summary = body.summary;
    }
  }
  return { tasks, finish, closed, window: slots.most * WINDOW_PER_SLOT, summary };
}

/** Slots of all members together, at most so far. */
class Slots {
  private readonly members = new Map<number, number>();
  most = 1;

  take(body: ControlBody): void {
    if (body.type === 'lost') this.members.delete(body.node);
    if (body.type !== 'admit') return;
    this.members.set(body.node, body.offer.slots);
    let sum = 0;
    for (const slots of this.members.values()) sum += slots;
    this.most = Math.max(this.most, sum);
  }
}
