/** Two results of one task are compared: equal leaves confirm both, others are evidence, and the operator is told (P17). Nothing here waits for time: a tick comes with every turn. */
import { Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { type DeployedRun, type Log, readRun, readStatus, RunTopics, type TaskExecutor, type TaskInput, type TaskOutput } from '#engine';
import { registry } from '#topologies';
import type { ControlBody } from '../../../engine/dispatch/control-entry.ts';
import { decodeControl } from '../../../engine/dispatch/signed-entry.ts';
import { LogCursor } from '../../../engine/runtime/log-cursor.ts';
import { ForgingExecutor } from '../../support/lying.ts';
import { LocalExecutor, runCompiled, withQuickLog, withWorkflow } from '../../support/run-support.ts';
import { readOutcome } from '../../support/run-support-read.ts';
import { longFiles } from '../../support/run-support-workflows.ts';

const TASKS = 90;
const SLOW = 1;
/** As the engine counts them. */
const TICK_MS = 500;
const FILES = longFiles('w', 10 * TASKS);
const TIMED = { 'workflow.yaml': (FILES['workflow.yaml'] ?? '').replace('"size": 10', `"size": 10, "deadline": "${4 * TICK_MS}ms"`) };

type Test = (body: ControlBody) => boolean;
const isAccepted: Test = (body) => body.type === 'accept' && body.k === SLOW;
const isForgotten: Test = (body) => body.type === 'mark' && body.published > SLOW;
/** Other tasks may be late, too, and be given twice. */
const isCompared: Test = (body) => body.type === 'confirm' && body.k === SLOW && body.attempt === 0;

/** The first attempt at the slow task ends only once control says that; the last task, and so the run, only once the two results were compared. */
class TwiceExecutor implements TaskExecutor {
  private begun = 0;
  private readonly honest: TaskExecutor;
  private readonly late: TaskExecutor;
  private readonly follower: ControlFollower;
  private readonly until: Test;

  constructor(honest: TaskExecutor, late: TaskExecutor, follower: ControlFollower, until: Test) {
    this.honest = honest;
    this.late = late;
    this.follower = follower;
    this.until = until;
  }

  async execute(input: TaskInput): Promise<TaskOutput> {
    if (input.k === TASKS - 1) await this.follower.seen(isCompared);
    if (input.k !== SLOW || ++this.begun > 1) return this.honest.execute(input);
    await this.follower.seen(this.until);
    return this.late.execute(input);
  }

  close(): Promise<void> {
    this.follower.close();
    return this.honest.close();
  }
}

/** Reads control from outside of the run. */
class ControlFollower {
  private readonly bodies: ControlBody[] = [];
  private readonly waiting: { readonly test: Test; readonly done: () => void }[] = [];
  private readonly stop = new AbortController();

  constructor(log: Log, { run }: DeployedRun) {
    void this.follow(new LogCursor(log, new RunTopics(run).control, 0));
  }

  seen(test: Test): Promise<void> {
    if (this.bodies.some(test)) return Promise.resolve();
    return new Promise((done) => this.waiting.push({ test, done }));
  }

  close(): void {
    this.stop.abort();
    for (const { done } of this.waiting) done();
  }

  private async follow(cursor: LogCursor): Promise<void> {
    for (;;) {
      const entry = await cursor.next(this.stop.signal);
      if (entry === undefined || this.stop.signal.aborted) return;
      const { body } = decodeControl(entry.value);
      this.bodies.push(body);
      for (const { test, done } of this.waiting) if (test(body)) done();
    }
  }
}

interface Told {
  readonly control: readonly ControlBody[];
  readonly status: Awaited<ReturnType<typeof readStatus>>;
}

/** A run of two nodes; `until`: when the first attempt at the slow task, which then comes second, is let go. */
function runTwice(until: Test, lie: boolean): Promise<Told> {
  return withWorkflow(TIMED, (workflow) =>
    withQuickLog(async (log) => {
      const ticks = new Subject<void>();
      await runCompiled(workflow, {
        log,
        nodes: 2,
        ticks,
        onProgress: () => queueMicrotask(() => ticks.next()),
        executor: (run) => {
          const honest = new LocalExecutor(run, registry);
          const late = lie ? new ForgingExecutor(honest, SLOW, 'clean') : honest;
          return new TwiceExecutor(honest, late, new ControlFollower(log, run), until);
        },
      });
      const { control } = await readOutcome(log);
      return { control, status: await readStatus(log, await readRun(log, 'w')) };
    }),
  );
}

/** What control has to say of the result that came second: it is of the other node. */
function secondOf(control: readonly ControlBody[]): object {
  const accepts = control.filter((body) => body.type === 'accept').filter(({ k }) => k === SLOW);
  const assigns = control.filter((body) => body.type === 'assign').filter(({ k }) => k === SLOW);
  const [accept] = accepts;
  expect(accepts).toHaveLength(1);
  expect(accept?.node).toBe(1 - (assigns[0]?.node ?? 0));
  return { k: SLOW, attempt: 0, node: assigns[0]?.node, accepted: accept?.node };
}

const confirmed = (control: readonly ControlBody[]): number => control.filter((body) => body.type === 'confirm' && body.equal).length;

describe('a second result of a task', () => {
  it.each<[string, Test]>([
    ['while the first is new', isAccepted],
    ['after its task was marked complete', isForgotten],
  ])('confirms the first if every leaf is equal, %s', async (_, until) => {
    const { control, status } = await runTwice(until, false);
    expect(control.filter(isCompared)).toEqual([{ type: 'confirm', ...secondOf(control), equal: true }]);
    expect(status).toMatchObject({ copies: { equal: confirmed(control), unequal: 0 }, unequal: [] });
  });

  it.each<[string, Test]>([
    ['while the first is new', isAccepted],
    ['after its task was marked complete', isForgotten],
  ])('with a leaf that differs changes nothing and is told with the nodes of both, %s', async (_, until) => {
    const { control, status } = await runTwice(until, true);
    const differs = secondOf(control);
    expect(control.filter(isCompared)).toEqual([{ type: 'confirm', ...differs, equal: false }]);
    expect(status).toMatchObject({ state: 'finished', copies: { equal: confirmed(control), unequal: 1 }, unequal: [differs] });
  });
});
