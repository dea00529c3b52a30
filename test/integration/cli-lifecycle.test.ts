/** Deploying and steering a run by the commands, with its roles in a process of `mizu up`: what they print, and how they exit. */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type CliResult, lastObject, mizu } from '../support/cli.ts';
import { scratchFolder } from '../support/scratch.ts';

const WORKFLOW = `mizu: 1
name: dice
seed: 11
task: { size: 25 }
generate:
  - random: { as: a, integer: [1, 60] }
  - random: { as: b, integer: [1, 60] }
  - template: { as: text, text: "{{a}} and {{b}}" }
verify:
  - range: { id: high, field: a, min: 4 }
`;

/** Longest wait for a process of these tests. */
const STUCK_MS = 90_000;

const dir = scratchFolder({
  'dice.yaml': `${WORKFLOW}budget: { candidates: 40000000 }\n`,
  'changed.yaml': `${WORKFLOW.replace('min: 4', 'min: 5')}budget: { candidates: 100 }\n`,
});
const log = join(dir, 'log');
const on = (...args: string[]): Promise<CliResult> => mizu([...args, '--log', log], { cwd: dir });
const onJson = async (...args: string[]) => lastObject(await on(...args, '--json'));

let serving: ChildProcess | undefined;
let served: Promise<CliResult> | undefined;
afterAll(async () => {
  serving?.kill('SIGKILL');
  await served;
});

/** Resolves once the process says that it takes part. */
function startServing(): Promise<void> {
  return new Promise((resolve, reject) => {
    served = mizu(['up', '--log', log, '--id', 'one', '--workers', '1'], {
      onStart: (child) => {
        serving = child;
      },
      onStderr: (text) => {
        if (text.includes('joined')) resolve();
      },
    });
    served.then(({ stderr }) => reject(new RangeError(`up ended: ${stderr}`)), reject);
  });
}

describe('a run that is deployed and steered by commands', { timeout: STUCK_MS }, () => {
  it('is only described by a dry run', async () => {
    const dry = await on('deploy', 'dice.yaml', '--dry-run');
    expect([dry.code, dry.stdout]).toEqual([0, 'dice/1: a new run, on a new log\n']);
    expect(existsSync(log)).toBe(false);
  });

  it('is deployed without anybody there, and says what to start', async () => {
    const { code, stdout } = await on('deploy', 'dice.yaml');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /dice\/1 is deployed\.\n +orchestrator +missing\n +nodes +0 of at most 1\n +checkpointer +missing\nNobody works on it yet: start `.* up --log /,
    );
    expect((await on('status', 'dice')).stdout).toMatch(/deployed; no orchestrator has taken it yet/);
    const paused = await on('pause', 'dice', '--json');
    expect([paused.code, lastObject(paused)]).toEqual([1, expect.objectContaining({ ok: false, outcome: 'standing', mode: 'running' })]);
  });

  it('is taken up with what was asked before, and goes on when told to', async () => {
    await startServing();
    expect(await onJson('status', 'dice')).toMatchObject({
      state: 'running',
      mode: 'paused',
      tasks: { cut: 0 },
      members: [{ name: 'one' }],
    });
    expect(await onJson('resume', 'dice')).toMatchObject({ ok: true, outcome: 'done', mode: 'running' });
    expect(await onJson('list')).toMatchObject({ runs: [{ name: 'dice', state: 'running', mode: 'running' }] });
  });

  it('is shown live, line by line where nobody draws, until it is interrupted', async () => {
    let interrupted = false;
    const interrupt = (child: ChildProcess): void => {
      child.stdout?.on('data', (text: string) => {
        if (interrupted || !/"published":[1-9]/.test(text)) return;
        interrupted = child.kill('SIGINT');
      });
    };
    const watched = mizu(['status', 'dice', '--watch', '--log', log, '--json'], { onStart: interrupt });
    const { code, stdout } = await watched;
    expect(code).toBe(0);
    const objects = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { candidates: number });
    expect(objects.length).toBeGreaterThan(1);
    expect(objects.map(({ candidates }) => candidates)).toEqual(objects.map(({ candidates }) => candidates).toSorted((a, b) => a - b));
  });

  it('explains by the log who was given a task', async () => {
    const { code, stdout } = await on('status', 'dice', '--explain', '0/1');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/Task 0\/1, attempt 0: node 0 \(one\).*The log says the same\./s)]);
    const lease = await on('status', 'dice', '--explain', '1/0/1');
    expect([lease.code, lease.stdout]).toEqual([
      0,
      expect.stringMatching(/^Partition 1\/0, epoch 0: node 0 \(one\), .*nobody had it before.*The log says the same\.$/ms),
    ]);
    expect(await onJson('status', 'dice', '--explain', '1/0')).toMatchObject({
      partition: '1/0',
      grants: 1,
      held: true,
      leases: [{ equal: true }],
    });
    expect((await on('status', 'dice', '--explain', '1/99')).code).toBe(2);
    expect((await on('status', 'dice', '--explain', 'x/1')).code).toBe(2);
    expect((await on('status', 'dice', '--explain', '0/999999999')).code).toBe(2);
  });

  it('is not changed by another program unless that is asked for; the difference is shown', async () => {
    const refused = await on('deploy', 'changed.yaml');
    expect(refused.code).toBe(2);
    expect(refused.stdout).toMatch(
      /The program differs from that of dice\/1; .*\n {2}~ step high \(range\): changed\n {6}min: 4 → 5\n {2}~ budget\.candidates: 40000000 → 100\n/,
    );
    expect(refused.stderr).toMatch(/add --new-generation/);
  });

  it('takes other settings over live', async () => {
    expect(await onJson('deploy', 'dice.yaml', '--nodes', '3')).toMatchObject({
      kind: 'compatible',
      taken: true,
      settings: [{ path: 'nodes', before: 1, after: 3 }],
      roles: { orchestrator: true, nodes: 1, employed: 3 },
    });
  });

  it('gives way to a new generation, and is drained', async () => {
    expect(await onJson('deploy', 'changed.yaml', '--new-generation')).toMatchObject({ kind: 'changed', generation: 2, drains: [1] });
    expect(await onJson('status', 'dice/2', '--watch')).toMatchObject({ state: 'finished', generation: 2 });
    expect(await onJson('status', 'dice/1', '--watch')).toMatchObject({ state: 'finished', reason: 'drained' });
    const late = await on('stop', 'dice/1', '--drain', '--wait');
    expect([late.code, late.stderr]).toEqual([2, expect.stringContaining("'dice/1' is finished")]);
    expect((await on('verify', 'dice/1')).code).toBe(0);
  });
});
