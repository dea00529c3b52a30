/**
 * Where a replay may begin, and with which keyed state. The state before task k is the newest snapshot at or below it and the deltas after that (P14), or all deltas
 * from the begin. Deltas are hashed along the chain to which the leaves commit, and the chain must end in the state of the leaf before the range. Of a whole
 * state (of an op that is no fold of its deltas alone) no leaf says the bytes: a wrong one shows in the steps that start from it.
 */
import { MizuError } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Program } from '../contract/program.ts';
import type { StepMachine } from '../datavm/step-machine.ts';
import { decodeLeaf } from '../proof/leaf.ts';
import { equalBytes } from '../proof/sha256.ts';
import type { KeyedTopics } from '../runtime/keyed-recovery.ts';
import { readSnapshots, restoreSnapshotBelow } from '../runtime/keyed-recovery.ts';
import type { LeafGroup } from '../runtime/leaf-stream.ts';
import { beginOf, LogCursor } from '../runtime/log-cursor.ts';
import { decodeStateEntry } from '../runtime/state-entry.ts';
import { asksModels } from '../runtime/topics.ts';
import type { Mismatch } from './log-comparison.ts';
import { firstAnswered } from './kept-answers.ts';
import { readAt } from './report.ts';
import type { RunReader } from './run-reader.ts';

export interface ReplayStart {
  /** The first task of which the log still has what it is executed from; one more than the last where there is none. */
  readonly from: number;
  /** Topics that forgot what earlier tasks need. */
  readonly forgotten: readonly string[];
}

/** Looks at what a retention left. On a log that forgets nothing that is task 0. */
export async function firstReplayable(log: Log, reader: RunReader): Promise<ReplayStart> {
  const { topics, run, last } = reader;
  let from = 0;
  const forgotten = new Set<string>();
  const need = (first: number, topic: string): void => {
    if (first > 0) forgotten.add(topic);
    from = Math.max(from, first);
  };
  let source = 0;
  while (source <= last && !reader.retained.source(reader.task(source).cut)) source++;
  need(source, topics.source);
  if (asksModels(run.program)) need(await firstAnswered(log, reader), topics.attestations);
  for (const { stage, partition } of keyedPartitions(run.program)) {
    if (!hasState(run.program, stage)) continue;
    const first = reader.retained.stateFrom(stage, partition);
    if (first > 0) need(await firstRestorable(log, keyedTopics(reader, stage, partition), first), topics.state(stage));
  }
  return { from: Math.min(from, last + 1), forgotten: [...forgotten].sort() };
}

function keyedPartitions({ stages }: Program): { readonly stage: number; readonly partition: number }[] {
  return stages.flatMap(({ kind, index, partitions }) =>
    kind === 'source' ? [] : Array.from({ length: partitions }, (_, partition) => ({ stage: index, partition })),
  );
}

/** A stage whose ops look at one record at a time takes up anywhere. */
function hasState({ stages, accept }: Program, index: number): boolean {
  const stage = stages[index];
  return stage?.ops.some((op) => op.kind === 'keyed') === true || (stage?.kind === 'last' && accept !== undefined);
}

function keyedTopics({ topics }: RunReader, stage: number, partition: number): KeyedTopics {
  return { snapshots: topics.snapshots(stage), state: topics.state(stage), partition };
}

/** The first task whose state can be made though deltas below `first` are gone: there a snapshot ends of which all segments are left. */
async function firstRestorable(log: Log, topics: KeyedTopics, first: number): Promise<number> {
  /** Segments in order: where each stands, and its steps. */
  const segments: { readonly at: number; readonly first: number; readonly next: number }[] = [];
  for await (const { snapshot, at } of readSnapshots(log, topics, offset(0))) {
    segments.push({ at, first: snapshot.first, next: snapshot.next });
    const needed = segments.filter((segment) => segment.at >= (snapshot.oldestAt ?? at));
    const isWhole = needed[0]?.at === (snapshot.oldestAt ?? at) && needed.every((one, n) => n === 0 || one.first === needed[n - 1]?.next);
    if (isWhole && snapshot.next >= first) return snapshot.next;
  }
  return Number.POSITIVE_INFINITY;
}

/** Opens a machine of one partition with the state before task `from`. `open` gives a fresh one. @throws LOG_CORRUPT, SOURCE_UNAVAILABLE. */
export async function machineAt(
  log: Log,
  reader: RunReader,
  place: { readonly stage: number; readonly partition: number },
  from: number,
  open: () => Promise<StepMachine>,
): Promise<StepMachine> {
  const topics = keyedTopics(reader, place.stage, place.partition);
  const machine = await open();
  if (from === 0) return machine;
  // Without keyed ops there is no state.
  if (machine.state.chained.length === 0) machine.state.next = from;
  try {
    const snapshot = machine.state.next < from ? await restoreSnapshotBelow(log, topics, machine, from) : undefined;
    await restoreDeltas(log, topics, machine, from, snapshot?.snapshot.stateAt);
    return machine;
  } catch (error) {
    machine.close();
    if (!isGone(error)) throw error;
    if ((await beginOf(log, topics.state, topics.partition)) > 0) throw unmakeable(from, error);
  }
  // Segments that were needed then are needed no more, and gone; the deltas are all there.
  const fresh = await open();
  await restoreDeltas(log, topics, fresh, from);
  return fresh;
}

function isGone(error: unknown): error is MizuError {
  return error instanceof MizuError && error.code === 'SOURCE_UNAVAILABLE';
}

function unmakeable(from: number, cause: MizuError): MizuError {
  return new MizuError('SOURCE_UNAVAILABLE', `The keyed state before task ${from} can't be made: ${cause.message}`, {
    cause,
    hint: 'Compaction took what it was made of; try a later range.',
  });
}

/** `at`: offset of the deltas of the step before the machine's next one, if there is one. */
async function restoreDeltas(
  log: Log,
  { state: topic, partition }: KeyedTopics,
  machine: StepMachine,
  until: number,
  at?: number,
): Promise<void> {
  const cursor = new LogCursor(log, topic, partition, offset(at ?? 0));
  const where = `${topic}, partition ${partition}`;
  let behind = at !== undefined;
  while (machine.state.next < until) {
    const entry = await cursor.take();
    if (entry === undefined) throw new MizuError('LOG_CORRUPT', `unavailable: ${where}, task ${machine.state.next}`);
    const place = `${where}, offset ${entry.offset}`;
    const state = readAt(place, () => decodeStateEntry(entry.value));
    if (behind && state.k === machine.state.next - 1) {
      behind = false;
      continue;
    }
    if (state.k !== machine.state.next)
      throw new MizuError('LOG_CORRUPT', `${place}: the deltas are of task ${state.k}, those of task ${machine.state.next} were expected`);
    readAt(place, () => machine.state.restore(state.k, state.deltas));
  }
}

/** Whether the states of a machine that was made are those of the leaves of the task before its next one. */
export function stateMismatch(
  { stage, partition }: { readonly stage: number; readonly partition: number },
  machine: StepMachine,
  before: readonly LeafGroup[],
): Mismatch | undefined {
  const leaves = before.find((group) => group.stage === stage && group.partition === partition)?.leaves ?? [];
  const states = leaves.flatMap((leaf) => decodeLeaf(leaf).state ?? []);
  const wrong = machine.state.chained.findIndex((state, n) => !equalBytes(state, states[n] ?? new Uint8Array(0)));
  if (wrong === -1) return undefined;
  return {
    task: `${stage}/${partition}/${machine.state.next}`,
    step: machine.state.ids[wrong] ?? '',
    block: undefined,
    record: undefined,
    message: `snapshots and deltas on the log lead to another state before it than the leaf of task ${machine.state.next - 1} commits to`,
  };
}
