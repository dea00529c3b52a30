/**
 * Rebuilds the keyed state of one partition from the log (P14): the live segments of its snapshot, then the deltas after them. Everything is read in
 * bulk, in order, and held one chunk at a time. What does not fit together is refused before it is used: the digest of a segment, the chain
 * of states through it, and the state that the delta at its end says it came to.
 */
import { MizuError, messageOf } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { StepMachine } from '../datavm/step-machine.ts';
import { equalBytes } from '../proof/sha256.ts';
import { PartJoiner } from './frame-parts.ts';
import { readAll } from './log-cursor.ts';
import type { Snapshot } from './snapshot.ts';
import { decodeSnapshot } from './snapshot.ts';
import type { SnapshotLimits } from './snapshot-writer.ts';
import { SnapshotWriter } from './snapshot-writer.ts';
import type { StateEntry } from './state-entry.ts';
import { decodeStateEntry } from './state-entry.ts';

export interface KeyedTopics {
  readonly snapshots: string;
  readonly state: string;
  readonly partition: number;
}

export interface Recovered {
  /** Where the frames are read from. */
  readonly resumeAt: Offset;
  /** Has seen what the machine took over. */
  readonly snapshots: SnapshotWriter;
}

/** A segment as it stands on the log. */
export interface PlacedSnapshot {
  readonly snapshot: Snapshot;
  /** Of its first entry. */
  readonly at: Offset;
}

/** Brings a fresh machine to the last committed step. @throws LOG_CORRUPT, SOURCE_UNAVAILABLE naming the range that the log forgot. */
export async function recoverKeyed(log: Log, topics: KeyedTopics, machine: StepMachine, limits?: SnapshotLimits): Promise<Recovered> {
  const snapshots = new SnapshotWriter(machine, limits);
  const newest = await newestSnapshot(log, topics);
  if (newest !== undefined) await restoreSegments(log, topics, machine, newest, snapshots);
  let resumeAt = newest?.snapshot.resumeAt ?? 0;
  const { state, partition } = topics;
  for await (const entry of readAll(log, state, partition, offset(newest?.snapshot.stateAt ?? 0))) {
    const where = `${state}, partition ${partition}, offset ${entry.offset}`;
    const step = corruptAt(where, () => decodeStateEntry(entry.value));
    if (step.k > machine.state.next) throw unavailable(state, partition, machine.state.next, step.k - 1);
    if (step.k === machine.state.next) {
      corruptAt(where, () => machine.state.restore(step.k, step.deltas));
      snapshots.add(step.deltas);
      resumeAt = step.resumeAt;
    }
    if (step.k === machine.state.next - 1) checkStates(where, step, machine);
  }
  return { resumeAt: offset(resumeAt), snapshots };
}

async function restoreSegments(
  log: Log,
  topics: KeyedTopics,
  machine: StepMachine,
  newest: PlacedSnapshot,
  snapshots: SnapshotWriter,
): Promise<void> {
  const { snapshots: topic, partition } = topics;
  const from = offset(newest.snapshot.oldestAt ?? newest.at);
  let first: number | undefined;
  for await (const { snapshot, at } of readSnapshots(log, topics, from)) {
    first ??= snapshot.first;
    if (machine.state.next > 0 && snapshot.first !== machine.state.next)
      throw unavailable(topic, partition, machine.state.next, snapshot.first - 1);
    const isLast = snapshot.next === newest.snapshot.next;
    corruptAt(`${topic}, partition ${partition}, offset ${at}`, () =>
      machine.state.restoreSnapshot(snapshot.first, snapshot.next, snapshot.ops, isLast),
    );
    snapshots.committed(snapshot, at);
    if (!isLast) continue;
    if (first > machine.state.horizon) throw unavailable(topic, partition, machine.state.horizon, first - 1);
    return;
  }
  throw unavailable(topic, partition, machine.state.next, newest.snapshot.next - 1);
}

/** Whole snapshots from an offset on, each checked against its digest. Parts of segments whose place was used again are passed over. */
export async function* readSnapshots(log: Log, topics: Omit<KeyedTopics, 'state'>, from: Offset): AsyncGenerator<PlacedSnapshot> {
  const where = `${topics.snapshots}, partition ${topics.partition}`;
  const joiner = new PartJoiner(where);
  joiner.partial = true;
  for await (const entry of readAll(log, topics.snapshots, topics.partition, from)) {
    const whole = joiner.take(`snapshot of steps ${entry.headers['first']} to ${entry.headers['next']}`, entry);
    if (whole !== undefined) {
      const snapshot = corruptAt(`${where}, offset ${whole.offset}`, () => decodeSnapshot(whole.value));
      yield { snapshot, at: whole.offset };
    }
  }
}

/** The snapshots of one partition beside its steps, for an auditor who goes through these in order. */
export class SnapshotCursor {
  readonly topic: string;
  private readonly source: AsyncGenerator<PlacedSnapshot>;
  private head: PlacedSnapshot | undefined;
  private ended = false;

  constructor(log: Log, topic: string, partition: number) {
    this.topic = topic;
    this.source = readSnapshots(log, { snapshots: topic, partition }, offset(0));
  }

  /** The first snapshot that ends after step k; undefined if there is none. @throws LOG_CORRUPT */
  async peek(k: number): Promise<PlacedSnapshot | undefined> {
    while (!this.ended && (this.head === undefined || this.head.snapshot.next <= k)) {
      const { value, done } = await this.source.next();
      this.ended = done === true;
      this.head = done === true ? undefined : value;
    }
    return this.head;
  }
}

/**
 * For an auditor: brings a fresh machine to the newest snapshot that ends at or below step `next`, and gives it; undefined if there is none.
 * @throws LOG_CORRUPT, SOURCE_UNAVAILABLE when segments that it needs are gone; then the machine is of no more use.
 */
export async function restoreSnapshotBelow(
  log: Log,
  topics: KeyedTopics,
  machine: StepMachine,
  next: number,
): Promise<PlacedSnapshot | undefined> {
  const newest = await newestSnapshot(log, topics, next);
  if (newest !== undefined) await restoreSegments(log, topics, machine, newest, new SnapshotWriter(machine));
  return newest;
}

/** The last whole snapshot that ends at or below `most`, looked for from the end backwards in steps that double: offsets have gaps. */
async function newestSnapshot(log: Log, topics: KeyedTopics, most = Number.POSITIVE_INFINITY): Promise<PlacedSnapshot | undefined> {
  const end = await log.end(topics.snapshots, topics.partition);
  for (let back = 2; ; back *= 2) {
    const from = offset(Math.max(0, end - back));
    let newest: PlacedSnapshot | undefined;
    for await (const placed of readSnapshots(log, topics, from)) if (placed.snapshot.next <= most) newest = placed;
    if (newest !== undefined || from === 0) return newest;
  }
}

function checkStates(where: string, step: StateEntry, machine: StepMachine): void {
  const { chained } = machine.state;
  if (step.states.length === chained.length && step.states.every((state, n) => equalBytes(state, chained[n] ?? new Uint8Array(0)))) return;
  throw new MizuError(
    'LOG_CORRUPT',
    `${where}: the state after step ${step.k} is not the one to which the snapshot and deltas before it lead`,
    {
      hint: 'Snapshots and deltas of this partition do not belong together: verify the run, and restore the log from a copy.',
    },
  );
}

function unavailable(topic: string, partition: number, from: number, to: number): MizuError {
  return new MizuError('SOURCE_UNAVAILABLE', `unavailable: ${topic}, partition ${partition}, steps ${from} to ${to}`, {
    component: topic,
    hint: 'The log forgot them before they were in a snapshot: give the run a longer retention, and start a new generation.',
  });
}

function corruptAt<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof MizuError && error.code !== 'BYTES_INVALID') throw error;
    throw new MizuError('LOG_CORRUPT', `${where}: ${messageOf(error)}`, { cause: error });
  }
}
