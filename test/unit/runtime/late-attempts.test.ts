/** Lateness is counted in ticks of the control log, never by a clock (law 8, P16): here a tick comes with every turn, so no test waits. */
import { rmSync } from 'node:fs';
import { Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { deploy, type Progress, readRun, runToEnd, type TaskExecutor, type TaskInput, type TaskOutput } from '#engine';
import { openLocalStorage } from '#connectors/embedded';
import { openSigner, registry } from '#topologies';
import { workflowFiles } from '../../support/random-workflow.ts';
import { LocalExecutor, quickFolder, withQuickLog, withWorkflow } from '../../support/run-support.ts';
import { readOutcome, type RunRead } from '../../support/run-support-read.ts';
import { COUNTED } from '../../support/run-support-workflows.ts';

const SLOW = 1;
const DEADLINE_TICKS = 4;
/** As the engine counts them. */
const TICK_MS = 500;

/** Holds the first attempt at one task until it is told to go on. */
class SlowExecutor implements TaskExecutor {
  attempts = 0;
  readonly goOn = Promise.withResolvers<void>();
  private readonly inner: TaskExecutor;

  constructor(inner: TaskExecutor) {
    this.inner = inner;
  }

  async execute(input: TaskInput): Promise<TaskOutput> {
    if (input.k === SLOW && ++this.attempts === 1) await this.goOn.promise;
    return this.inner.execute(input);
  }

  close(): Promise<void> {
    this.goOn.resolve();
    return this.inner.close();
  }
}

/** Ticks with every turn. `onTurn` sees how many there were. */
async function run(nodes: number, onTurn: (turns: number, executor: SlowExecutor) => void): Promise<RunRead> {
  const files = workflowFiles(COUNTED);
  const timed = {
    'workflow.yaml': files['workflow.yaml'].replace(
      `"size": ${COUNTED.taskSize}`,
      `"size": ${COUNTED.taskSize}, "deadline": "${DEADLINE_TICKS * TICK_MS}ms"`,
    ),
  };
  return withWorkflow({ ...files, ...timed }, async (compiled) =>
    withQuickLog(async (log) => {
      const signal = new AbortController().signal;
      const { program, digest, deployment, data } = compiled;
      const name = await deploy(log, { program, digest, deployment, data: data.values(), newGeneration: false, signal });
      const deployed = await readRun(log, name.name, name.generation);
      const executor = new SlowExecutor(new LocalExecutor(deployed, registry));
      const ticks = new Subject<void>();
      let turns = 0;
      const onProgress = (_: Progress): void => {
        onTurn(++turns, executor);
        queueMicrotask(() => ticks.next());
      };
      const folder = quickFolder();
      const local = openLocalStorage(folder);
      const signer = openSigner(log);
      const workerUrl = new URL('file:///not-used');
      await runToEnd({ log, run: deployed, registry, local, signer, workerUrl, workers: 1, nodes, signal, executor, ticks, onProgress });
      await local.close();
      rmSync(folder, { recursive: true, force: true });
      return readOutcome(log);
    }),
  );
}

const attemptsAtSlow = ({ control }: RunRead) => control.filter((body) => body.type === 'assign').filter(({ k }) => k === SLOW);

/** Ticks in control before the n-th attempt at the slow task. */
function ticksBefore({ control }: RunRead, attempt: number): number {
  const at = control.findIndex((body) => body.type === 'assign' && body.k === SLOW && body.attempt === attempt);
  return control.slice(0, at).filter((body) => body.type === 'tick').length;
}

describe('a late attempt', () => {
  it('gets another on another node once its ticks are over, and the first result counts', async () => {
    const read = await run(2, () => {});
    const [first, second, ...others] = attemptsAtSlow(read);
    expect(others).toEqual([]);
    expect(second?.node).toBe(1 - (first?.node ?? 0));
    expect(ticksBefore(read, 1) - ticksBefore(read, 0)).toBeGreaterThan(DEADLINE_TICKS);
    expect(read.control.filter((body) => body.type === 'accept' && body.k === SLOW)).toMatchObject([{ attempt: 1 }]);
    expect(read.control.filter((body) => body.type === 'dead')).toEqual([]);
  });

  it('is waited for when there is no other node', async () => {
    const read = await run(1, (turns, executor) => {
      if (turns > 10 * DEADLINE_TICKS) executor.goOn.resolve();
    });
    expect(attemptsAtSlow(read)).toHaveLength(1);
    expect(read.control.filter((body) => body.type === 'tick').length).toBeGreaterThan(3 * DEADLINE_TICKS);
  });
});
