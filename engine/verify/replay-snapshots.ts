/** Compares the whole states in snapshots (P14) with those of a replay: no leaf commits to their bytes, the same deltas in the same order give them. */
import type { Log } from '../contract/log.ts';
import type { StepMachine } from '../datavm/step-machine.ts';
import { equalBytes } from '../proof/sha256.ts';
import { SnapshotCursor } from '../runtime/keyed-recovery.ts';
import type { RunTopics } from '../runtime/topics.ts';
import type { Mismatch } from './log-comparison.ts';

export class SnapshotReplay {
  private readonly log: Log;
  private readonly topics: RunTopics;
  private readonly cursors = new Map<string, SnapshotCursor>();

  constructor(log: Log, topics: RunTopics) {
    this.log = log;
    this.topics = topics;
  }

  /** The machine has just executed a step; is there a snapshot after it, and is it right? @throws LOG_CORRUPT */
  async compare(stage: number, partition: number, machine: StepMachine): Promise<Mismatch | undefined> {
    const k = machine.state.next - 1;
    const placed = await this.cursor(stage, partition).peek(k);
    if (placed === undefined || placed.snapshot.next !== machine.state.next) return undefined;
    const wholes = machine.state.wholeStates();
    const wrong = placed.snapshot.ops.findIndex(({ content }, n) => {
      const mine = wholes[n];
      return 'whole' in content ? mine === undefined || !equalBytes(content.whole, mine) : mine !== undefined;
    });
    if (wrong === -1) return undefined;
    return {
      task: `${stage}/${partition}/${k}`,
      step: machine.state.ids[wrong] ?? '',
      block: undefined,
      record: undefined,
      message: `${this.topics.snapshots(stage)}, partition ${partition}, offset ${placed.at}: the snapshot holds another state than the steps lead to`,
    };
  }

  private cursor(stage: number, partition: number): SnapshotCursor {
    const name = `${stage}/${partition}`;
    const cursor = this.cursors.get(name) ?? new SnapshotCursor(this.log, this.topics.snapshots(stage), partition);
    this.cursors.set(name, cursor);
    return cursor;
  }
}
