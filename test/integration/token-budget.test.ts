/** Budgets of tokens and money in whole runs: where they end, what they say, what is paid twice (nothing), and what an auditor finds (P15; laws 1, 4, 7). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLocalStorage } from '#connectors/embedded';
import {
  type Answer,
  gatewayKeys,
  globalStorage,
  type Log,
  type Progress,
  type Question,
  readRun,
  recordedGateway,
  type ReplayReport,
  replayRun,
  RunTopics,
  type RunSummary,
  runToEnd,
  type TaskExecutor,
  TaskMachine,
  type Usage,
  type VerifyReport,
  verifyRun,
} from '#engine';
import { compileFile, openLog, openSigner, registry, runWorkflow, WORKER_URL } from '#topologies';
import { runGateway } from '../../topologies/run-gateway.ts';
import { deployFile } from '../support/asking-workflow.ts';
import { good, type ModelPeer, openModelPeer, status } from '../support/model-peer.ts';
import { rejection } from '../support/log-tools.ts';

/** Reserved for a task: 4 candidates × (400 bytes of request + 64 for the template + 60 tokens of answer). An answer takes 11 + 7. */
const RESERVED = 4 * 524;
const TAKEN = 4 * 18;

let folder: string;
let peer: ModelPeer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-budget-'));
  peer = await openModelPeer();
  peer.always((response, call) => good(response, call, call.body.seed));
});
afterEach(async () => {
  await peer.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Settings {
  readonly log?: string;
  readonly budget: string;
  readonly accept?: number;
  readonly workers?: number;
  readonly newGeneration?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

function write({ budget, accept = 1_000 }: Pick<Settings, 'budget' | 'accept'>): string {
  const file = join(folder, 'workflow.yaml');
  writeFileSync(
    file,
    `mizu: 1
name: tickets
seed: 7
accept: ${accept}
budget: ${budget}
task: { size: 4 }
partitions: 2
data: { products: { list: [kettle, lamp, chair, clock] } }
models: { small: { url: "${peer.url}", model: smollm2, price: { input: 0.15, output: 0.6, currency: EUR } } }
generate:
  - select: { from: products, as: product }
  - inference: { as: body, model: small, prompt: "Complain about the {{product}}.", maxTokens: 60 }
publish: { fields: [product, body] }
`,
  );
  return file;
}

async function onLog<T>(name: string, use: (log: Log) => Promise<T>): Promise<T> {
  const log = await openLog(join(folder, name), { readOnly: false });
  try {
    return await use(log);
  } finally {
    await log.close();
  }
}

async function run({ log: name = 'log', workers = 1, newGeneration, signal, onProgress, ...settings }: Settings): Promise<RunSummary> {
  const workflow = await compileFile(write(settings));
  const more = { ...(newGeneration === undefined ? {} : { newGeneration }), ...(onProgress === undefined ? {} : { onProgress }) };
  return onLog(name, (log) => runWorkflow(workflow, { log, workers, signal: signal ?? new AbortController().signal, ...more }));
}

async function audit(name = 'log'): Promise<{ readonly verified: VerifyReport; readonly replayed: ReplayReport }> {
  return onLog(name, async (log) => {
    const deployed = await readRun(log, 'tickets');
    const local = openLocalStorage(mkdtempSync(join(folder, 'local-')));
    const gateway = await recordedGateway({
      log,
      topic: new RunTopics(deployed.run).attestations,
      network: log.network,
      trustedKeys: await gatewayKeys(log, deployed.run, openSigner(log).publicKey),
      local,
    });
    try {
      const signal = new AbortController().signal;
      const replayed = await replayRun({ log, run: deployed, registry, local, workerUrl: WORKER_URL, workers: 1, gateway, signal });
      return { verified: await verifyRun(log, deployed), replayed };
    } finally {
      await gateway.close();
      await local.close();
    }
  });
}

/** Tasks that a budget of tokens lets through, from what each takes. */
function tasksWithin(tokens: number): number {
  let tasks = 0;
  for (let sum = 0; sum + RESERVED <= tokens; sum += TAKEN) tasks++;
  return tasks;
}

describe('a budget of tokens', () => {
  test('ends the run before the first task that could exceed it, with the same records whatever the workers; verify and replay agree', async () => {
    const budget = '{ tokens: 3000, requestBytes: 400 }';
    const one = await run({ log: 'one', budget });
    const tasks = tasksWithin(3_000);
    expect(one).toMatchObject({ reason: 'budget', candidates: tasks * 4, accepted: tasks * 4, wanted: 1_000 });
    expect(one.inference).toMatchObject({ questions: tasks * 4, input: tasks * 44, output: tasks * 28, currency: 'EUR' });
    expect(one.inference?.steps['body']).toMatchObject({ model: 'small', questions: tasks * 4 });
    expect(peer.calls.length).toBe(tasks * 4);
    const three = await run({ log: 'three', budget, workers: 3 });
    expect(three).toEqual({ ...one, verifierKey: three.verifierKey });
    const { verified, replayed } = await audit('three');
    expect(verified.problems).toEqual([]);
    expect(replayed.mismatch).toBeUndefined();
  });

  test('never reserves more than it has, whatever is in flight', async () => {
    let most = 0;
    let open = 0;
    peer.always((response, call) => {
      most = Math.max(most, ++open);
      setImmediate(() => {
        open--;
        good(response, call, call.body.seed);
      });
    });
    const summary = await run({ budget: `{ tokens: ${2 * RESERVED + 100}, requestBytes: 400 }`, workers: 4 });
    // Two tasks at most are reserved together.
    expect(most).toBeLessThanOrEqual(8);
    expect(summary.inference?.input).toBeLessThanOrEqual(2 * RESERVED + 100);
  });

  test('that is raised goes on as a new generation, which pays for nothing again', async () => {
    const first = await run({ budget: '{ tokens: 2500, requestBytes: 400 }' });
    const paid = peer.calls.length;
    expect(paid).toBe(first.candidates);
    const { hint } = await rejection(run({ budget: '{ tokens: 2800, requestBytes: 400 }' }));
    expect(hint).toContain('--new-generation');
    const second = await run({ budget: '{ tokens: 2800, requestBytes: 400 }', newGeneration: true });
    expect(second.candidates).toBe(tasksWithin(2_800) * 4);
    expect(peer.calls.length).toBe(second.candidates);
    // What was answered before counts as if it were paid now: the stop is that of a run that began with the larger budget.
    expect(second.inference?.questions).toBe(second.candidates);
    const fresh = await run({ log: 'fresh', budget: '{ tokens: 2800, requestBytes: 400 }' });
    expect({ ...fresh, generation: 2, verifierKey: '' }).toEqual({ ...second, verifierKey: '' });
  });

  test('that was interrupted on the way ends where it would have ended', async () => {
    const budget = '{ tokens: 3000, requestBytes: 400 }';
    const whole = await run({ log: 'whole', budget });
    const stop = new AbortController();
    const { code } = await rejection(
      run({ budget, signal: stop.signal, onProgress: ({ totals }) => void (totals.candidates >= 16 && stop.abort()) }),
    );
    expect(code).toBe('INTERRUPTED');
    const resumed = await run({ budget, workers: 2 });
    expect(resumed).toEqual({ ...whole, verifierKey: resumed.verifierKey });
    expect((await audit()).verified.problems).toEqual([]);
  });

  test('is no reason to stop once the count is reached', async () => {
    expect(await run({ budget: '{ tokens: 3000, requestBytes: 400 }', accept: 8 })).toMatchObject({ reason: 'accepted', accepted: 8 });
  });

  test('counts what a server reports, the bound of a question where it reports nothing, and nothing for one that it refused', async () => {
    peer.always((response, call, number) => {
      if (number % 3 === 0) return status(400)(response, call, number);
      if (number % 3 === 1) return good(response, call, number);
      response.end(JSON.stringify({ model: 'smollm2', choices: [{ index: 0, message: { content: 'Hm.' }, finish_reason: 'stop' }] }));
    });
    const summary = await run({ budget: '{ candidates: 12, tokens: 20000, requestBytes: 400 }', accept: 12 });
    const bytes = peer.calls.filter((_, n) => (n + 1) % 3 === 2).reduce((sum, call) => sum + call.bytes.length, 0);
    // The gateway sends the server's own name of the model in place of the author's.
    const named = 'smollm2'.length - 'small'.length;
    expect(summary.inference).toMatchObject({ questions: 12, input: 4 * 11 + bytes + 4 * (64 - named), output: 4 * 7 + 4 * 60 });
    expect((await audit()).verified.problems).toEqual([]);
  });

  test('fails a record whose request is longer than allowed, before anybody is asked', async () => {
    const summary = await run({ budget: '{ candidates: 8, tokens: 20000, requestBytes: 64 }', accept: 8 });
    expect(summary).toMatchObject({ candidates: 8, failed: 8, accepted: 0 });
    expect(summary.inference).toMatchObject({ questions: 0, input: 0, output: 0 });
    expect(peer.calls).toEqual([]);
  });
});

test('a budget of money ends a run by the prices in the program, exactly', async () => {
  // A task takes (44 × 0.15 + 28 × 0.6) / 10^6 = 0.0000234, and reserves (1,856 × 0.15 + 240 × 0.6) / 10^6 = 0.0004224.
  const summary = await run({ budget: '{ money: 0.0005, requestBytes: 400 }', workers: 2 });
  let tasks = 0;
  for (let sum = 0; sum + 4_224 <= 5_000; sum += 234) tasks++;
  expect(summary).toMatchObject({ reason: 'budget', candidates: tasks * 4 });
  expect(summary.inference).toMatchObject({ currency: 'EUR', micros: Math.ceil((tasks * 234) / 10) });
  const { verified, replayed } = await audit();
  expect(verified.problems).toEqual([]);
  expect(replayed.mismatch).toBeUndefined();
});

/** Runs the workflow in this process; what its node signs of the usage is what `lie` makes of it. */
async function runLying(budget: string, lie: (usage: Usage) => Usage): Promise<RunSummary> {
  const file = write({ budget, accept: 80 });
  return onLog('log', async (log) => {
    const signal = new AbortController().signal;
    const name = await deployFile(log, file);
    const deployed = await readRun(log, name.name, name.generation);
    const local = openLocalStorage(mkdtempSync(join(folder, 'local-')));
    const signer = openSigner(log);
    const env = (): undefined => undefined;
    const gateway = runGateway({ log, run: deployed, models: deployed.deployment.models, signer, local, env, signal });
    const { program, digest, data } = deployed;
    const machine = await TaskMachine.open({ program, registry, storage: globalStorage(data), local, expectedRecords: 0 }, digest);
    const ask = (questions: readonly Question[]): Promise<readonly Answer[]> =>
      Promise.all(questions.map((question) => gateway?.ask(question, signal) ?? Promise.reject(new Error('the program asks'))));
    const executor: TaskExecutor = {
      async execute(input) {
        const output = await machine.execute(input, ask);
        return { ...output, usage: lie(output.usage) };
      },
      close: async () => {},
    };
    try {
      return await runToEnd({ log, run: deployed, registry, local, signer, workerUrl: WORKER_URL, workers: 1, nodes: 1, executor, signal });
    } finally {
      await gateway?.close();
      await local.close();
    }
  });
}

describe('a node that signs another usage than it had', () => {
  test('to go further than the budget allows is found by verify and by replay', async () => {
    await runLying('{ candidates: 80, tokens: 3000, requestBytes: 400 }', () => ({ body: { questions: 4, input: 0, output: 0 } }));
    const { verified, replayed } = await audit();
    expect(verified.problems[0]).toMatchObject({ where: 'task 0/0' });
    expect(verified.problems[0]?.message).toContain('the answers on the log come to {"body":{"input":44,"output":28,"questions":4}}');
    expect(replayed.mismatch).toMatchObject({ task: '0/0', step: 'usage' });
  });

  test('to end the run early is found likewise', async () => {
    const { reason } = await runLying('{ candidates: 80, tokens: 3000, requestBytes: 400 }', () => ({
      body: { questions: 4, input: 1_000, output: 0 },
    }));
    expect(reason).toBe('budget');
    const { verified, replayed } = await audit();
    expect(verified.ok).toBe(false);
    expect(replayed.mismatch).toMatchObject({ task: '0/0', step: 'usage' });
  });
});
