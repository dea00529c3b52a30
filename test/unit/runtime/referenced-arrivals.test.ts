/** A topic that moves is looked at a few times for each task, however long a task takes to fill, and a full task is never noticed late by much. */
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../engine/runtime/clock.ts';
import { ReferencedArrivals } from '../../../engine/runtime/referenced-arrivals.ts';
import { MemoryTopic } from '../../support/memory-topic.ts';

/** Time that passes only while somebody sleeps; records arrive in it at a steady rate, spread over the partitions. */
class SteadyFlow extends MemoryTopic implements Clock {
  looks = 0;
  private readonly perMs: number;
  private ms = 1;
  private arrived = 0;

  constructor(partitions: number, perMs: number) {
    super('flow', partitions);
    this.perMs = perMs;
  }

  now(): number {
    return this.ms;
  }

  async sleep(ms: number): Promise<void> {
    this.pass(ms);
  }

  pass(ms: number): void {
    this.ms += ms;
    for (; this.arrived < this.ms * this.perMs; this.arrived++) this.append(this.arrived % this.partitions, ['record']);
  }

  override ends(): ReturnType<MemoryTopic['ends']> {
    this.looks++;
    return super.ends();
  }
}

describe('the wait for a full task', () => {
  for (const perMs of [0.5, 5, 50]) {
    for (const size of [100, 2_000, 20_000]) {
      it(`asks seldom and ends in time, with ${perMs} records/ms and tasks of ${size}`, async () => {
        const flow = new SteadyFlow(8, perMs);
        const bounds = Array.from({ length: 8 }, () => ({ from: 0 }));
        const arrivals = new ReferencedArrivals(flow, { topic: 'flow', partitions: bounds }, flow);
        await arrivals.refresh();
        flow.pass(1);
        const [since, before] = [flow.now(), flow.looks];
        await arrivals.wait(size, new AbortController().signal);
        const fills = size / perMs;
        expect(flow.now() - since).toBeGreaterThanOrEqual(fills - 2 - 1 / perMs);
        expect(flow.now() - since).toBeLessThanOrEqual(fills + 5);
        expect(flow.looks - before).toBeLessThanOrEqual(Math.max(25, fills / 100 + 25));
      });
    }
  }
});
