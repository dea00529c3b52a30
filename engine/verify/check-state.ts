/**
 * The state of keyed stages (P14): each leaf of a keyed op commits to the chain of all deltas so far, so the deltas on the log are those of the run.
 * A snapshot must begin and end with the states of the leaves; its deltas must lead from one to the other. Whole states are for `replay` to compare.
 */
import { MizuError } from '../contract/errors.ts';
import type { Log, LogEntry } from '../contract/log.ts';
import { chainState, STATE_START } from '../datavm/keyed-state.ts';
import type { Leaf } from '../proof/leaf.ts';
import { equalBytes } from '../proof/sha256.ts';
import { SnapshotCursor } from '../runtime/keyed-recovery.ts';
import { beginOf, LogCursor } from '../runtime/log-cursor.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import { decodeStateEntry } from '../runtime/state-entry.ts';
import type { RunTopics } from '../runtime/topics.ts';
import type { CheckedGroup } from './check-leaves.ts';
import { placeOf } from './check-leaves.ts';
import type { Report } from './report.ts';
import { readAt } from './report.ts';

interface Chain {
  readonly cursor: LogCursor;
  readonly snapshots: SnapshotCursor;
  /** Read, and of a later step than the one that was asked for. */
  ahead: LogEntry | undefined;
  states: Uint8Array[];
  /** States before the first step of the snapshot that stands next. */
  before: Uint8Array[];
}

/** Follows one chain for each keyed partition; call `step` for its tasks in order. */
export class StateCheck {
  private readonly log: Log;
  private readonly topics: RunTopics;
  private readonly chains = new Map<string, Chain>();

  constructor(log: Log, topics: RunTopics) {
    this.log = log;
    this.topics = topics;
  }

  /**
   * @param isKept whether the log had the deltas of the step when it was looked at.
   * @returns whether they were compared. @throws LOG_CORRUPT when they should be there, and are not.
   */
  async step(group: CheckedGroup, k: number, isKept: boolean, report: Report): Promise<boolean> {
    const chain = this.chainOf(group);
    const keyed = group.leaves.filter((leaf) => leaf.state !== undefined);
    const placed = await chain.snapshots.peek(k);
    if (placed?.snapshot.first === k) chain.before = chain.states;
    const compared = isKept && (await this.deltas(chain, keyed, k, report));
    if (!compared) chain.states = keyed.map((leaf) => leaf.state ?? STATE_START);
    if (placed === undefined || placed.snapshot.next !== k + 1) return compared;
    const place = `${chain.snapshots.topic}, partition ${group.partition}, offset ${placed.at}`;
    for (const message of wrongWith(placed.snapshot, chain.before, chain.states)) report(place, message);
    return compared;
  }

  private async deltas(chain: Chain, keyed: readonly Leaf[], k: number, report: Report): Promise<boolean> {
    const { cursor } = chain;
    const where = `${cursor.topic}, partition ${cursor.partition}`;
    const { position } = cursor;
    const { ahead } = chain;
    const entry = ahead ?? (await cursor.take());
    chain.ahead = undefined;
    if (entry === undefined) throw new MizuError('LOG_CORRUPT', `unavailable: ${where}, task ${k}`);
    const { k: stored, deltas, states } = readAt(`${where}, offset ${entry.offset}`, () => decodeStateEntry(entry.value));
    // A run that is alive goes on forgetting.
    if (stored > k && (ahead !== undefined || (await beginOf(this.log, cursor.topic, cursor.partition)) > position)) {
      chain.ahead = entry;
      return false;
    }
    if (stored !== k) report(`${where}, offset ${entry.offset}`, `the deltas are of task ${stored}, those of task ${k} were expected`);
    if (keyed.length !== deltas.length)
      report(`${where}, offset ${entry.offset}`, `${deltas.length} deltas, the step has ${keyed.length} keyed ops`);
    chain.states = keyed.map((leaf, n) => {
      const state = chainState(chain.states[n] ?? STATE_START, deltas[n] ?? new Uint8Array(0));
      if (leaf.state === undefined || equalBytes(leaf.state, state)) return state;
      report(placeOf(leaf), `the delta on the log (${where}, offset ${entry.offset}) does not lead to the state that the leaf commits to`);
      return leaf.state;
    });
    if (!states.every((state, n) => equalBytes(state, chain.states[n] ?? STATE_START)))
      report(`${where}, offset ${entry.offset}`, `it says that task ${k} came to another state than the one that the leaf commits to`);
    return true;
  }

  private chainOf({ stage, partition }: CheckedGroup): Chain {
    const name = `${stage}/${partition}`;
    const known = this.chains.get(name);
    if (known !== undefined) return known;
    const chain: Chain = {
      cursor: new LogCursor(this.log, this.topics.state(stage), partition),
      snapshots: new SnapshotCursor(this.log, this.topics.snapshots(stage), partition),
      ahead: undefined,
      states: [],
      before: [],
    };
    this.chains.set(name, chain);
    return chain;
  }
}

function wrongWith({ first, next, ops }: Snapshot, before: readonly Uint8Array[], after: readonly Uint8Array[]): string[] {
  const steps = `the snapshot of steps ${first} to ${next - 1}`;
  if (ops.length !== after.length) return [`${steps} is of ${ops.length} keyed ops, the step has ${after.length}`];
  return ops.flatMap((op, n) => {
    if (!equalBytes(op.before, before[n] ?? STATE_START)) return [`${steps} begins with another state of keyed op ${n} than the leaves`];
    if (!equalBytes(op.after, after[n] ?? STATE_START)) return [`${steps} ends with another state of keyed op ${n} than the leaves`];
    if (!('deltas' in op.content)) return [];
    const led = op.content.deltas.reduce(chainState, op.before);
    return equalBytes(led, op.after) ? [] : [`${steps}: the deltas of keyed op ${n} are not those of the run`];
  });
}
