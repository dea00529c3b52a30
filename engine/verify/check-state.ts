/** The state of keyed stages (P14): each leaf of a keyed op commits to the chain of all deltas so far, so the deltas on the log are those of the run. */
import { MizuError } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { chainState, STATE_START } from '../datavm/step-machine.ts';
import { equalBytes } from '../proof/sha256.ts';
import { LogCursor } from '../runtime/log-cursor.ts';
import { decodeStateEntry } from '../runtime/state-entry.ts';
import type { RunTopics } from '../runtime/topics.ts';
import type { CheckedGroup } from './check-leaves.ts';
import { placeOf } from './check-leaves.ts';
import type { Report } from './report.ts';
import { readAt } from './report.ts';

interface Chain {
  readonly cursor: LogCursor;
  states: Uint8Array[];
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

  /** @throws LOG_CORRUPT when the deltas of the step are not there. */
  async step(group: CheckedGroup, k: number, report: Report): Promise<void> {
    const chain = this.chainOf(group);
    const { cursor } = chain;
    const where = `${cursor.topic}, partition ${cursor.partition}`;
    const entry = await cursor.take();
    if (entry === undefined) throw new MizuError('LOG_CORRUPT', `unavailable: ${where}, task ${k}`);
    const { k: stored, deltas } = readAt(`${where}, offset ${entry.offset}`, () => decodeStateEntry(entry.value));
    if (stored !== k) report(`${where}, offset ${entry.offset}`, `the deltas are of task ${stored}, those of task ${k} were expected`);
    const keyed = group.leaves.filter((leaf) => leaf.state !== undefined);
    if (keyed.length !== deltas.length)
      report(`${where}, offset ${entry.offset}`, `${deltas.length} deltas, the step has ${keyed.length} keyed ops`);
    chain.states = keyed.map((leaf, n) => {
      const state = chainState(chain.states[n] ?? STATE_START, deltas[n] ?? new Uint8Array(0));
      if (leaf.state === undefined || equalBytes(leaf.state, state)) return state;
      report(placeOf(leaf), `the delta on the log (${where}, offset ${entry.offset}) does not lead to the state that the leaf commits to`);
      return leaf.state;
    });
  }

  private chainOf({ stage, partition }: CheckedGroup): Chain {
    const name = `${stage}/${partition}`;
    const known = this.chains.get(name);
    if (known !== undefined) return known;
    const chain: Chain = { cursor: new LogCursor(this.log, this.topics.state(stage), partition), states: [] };
    this.chains.set(name, chain);
    return chain;
  }
}
