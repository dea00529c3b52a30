/** A workflow that asks a model, run by the real composition against a server that speaks the protocol; its answers are inputs (laws 1, 4, 7). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readAttestations, RunTopics, type RunSummary } from '#engine';
import { compileFile, openLog, openSigner, runWorkflow } from '#topologies';
import { cut, good, type ModelPeer, openModelPeer, raw, status } from '../support/model-peer.ts';
import { readAll, rejection } from '../support/log-tools.ts';
import { replayTasks } from '../support/replay-tasks.ts';

const TOPICS = new RunTopics({ name: 'tickets', generation: 1 });
const KEY = 'sk-canary-77aa-integration';

let folder: string;
let peer: ModelPeer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-inference-'));
  peer = await openModelPeer();
});
afterEach(async () => {
  await peer.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Settings {
  readonly log?: string;
  readonly workers?: number;
  readonly rule?: string;
  readonly newGeneration?: boolean;
  readonly signal?: AbortSignal;
  readonly key?: string;
}

async function run({
  log: name = 'log',
  workers = 1,
  rule = '{ field: body, codepoints: [1, 200] }',
  newGeneration,
  signal,
  key = KEY,
}: Settings = {}): Promise<RunSummary> {
  const file = join(folder, 'workflow.yaml');
  writeFileSync(
    file,
    `mizu: 1
name: tickets
seed: 7
budget: { candidates: 12 }
task: { size: 4 }
partitions: 2
data:
  products: { list: [kettle, lamp, chair, clock] }
models:
  small: { url: "${peer.url}", model: smollm2, keyEnv: SMALL_KEY }
generate:
  - select: { from: products, as: product }
  - inference: { as: body, model: small, system: You are a customer., prompt: "Complain about the {{product}}.", maxTokens: 60, temperature: 0.7 }
verify:
  - length: ${rule}
publish: { fields: [product, body] }
`,
  );
  const log = await openLog(join(folder, name), { readOnly: false });
  try {
    const env = (variable: string): string | undefined => (variable === 'SMALL_KEY' && key !== '' ? key : undefined);
    const workflow = await compileFile(file);
    return await runWorkflow(workflow, { log, workers, env, newGeneration, signal: signal ?? new AbortController().signal });
  } finally {
    await log.close();
  }
}

/** Answers as a function of the request alone, as a seeded model does. */
function seeded(): void {
  peer.always((response, call, _number) => good(response, call, call.body.seed));
}

describe('answers of a model are inputs of a run', () => {
  test('a run asks each candidate once, and records signed answers that are bound to it', async () => {
    const summary = await run();
    expect(summary).toMatchObject({ candidates: 12, accepted: 12, failed: 0 });
    expect(peer.calls).toHaveLength(12);
    expect(new Set(peer.calls.map((call) => call.body.seed)).size).toBe(12);
    expect(peer.calls[0]?.body).toMatchObject({ model: 'smollm2', max_tokens: 60, temperature: 0.7 });
    expect(peer.calls[0]?.body.messages.map((message) => message.role)).toEqual(['system', 'user']);
    const log = await openLog(join(folder, 'log'), { readOnly: true });
    const candidates: number[] = [];
    for await (const { attestation } of readAttestations(log, TOPICS.attestations, [openSigner(log).publicKey])) {
      candidates.push(attestation.candidate);
      expect(attestation).toMatchObject({ network: log.network, step: 'body', status: 200, finishReason: 'stop' });
    }
    expect(candidates.sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, n) => n));
    await log.close();
  });

  test('the same answers give the same root, whatever the number of workers (law 1)', async () => {
    seeded();
    const roots = [await run({ log: 'one', workers: 1 }), await run({ log: 'two', workers: 3 })].map((summary) => summary.root);
    expect(roots[1]).toBe(roots[0]);
  });

  test('the tasks replay from the log without a server, to the same frames (law 3)', async () => {
    await run();
    await peer.close();
    const log = await openLog(join(folder, 'log'), { readOnly: true });
    expect(await replayTasks(log, 'tickets', join(folder, 'replay'))).toEqual({ frames: 6, same: 6 });
    await log.close();
  });

  test('a run that was interrupted goes on, and pays for no recorded answer twice (law 4)', async () => {
    const stop = new AbortController();
    seeded();
    const undisturbed = await run({ log: 'other' });
    peer.calls.length = 0;
    peer.always((response, call, number) => {
      good(response, call, call.body.seed);
      if (number === 6) stop.abort();
    });
    expect((await rejection(run({ signal: stop.signal }))).code).toBe('INTERRUPTED');
    const log = await openLog(join(folder, 'log'), { readOnly: true });
    const recorded = (await readAll(log, TOPICS.attestations, 0)).length;
    await log.close();
    const before = peer.calls.length;
    seeded();
    expect((await run()).root).toBe(undisturbed.root);
    expect(peer.calls.length - before).toBe(12 - recorded);
  });

  test('a changed later step is a new generation that asks nothing again (P12)', async () => {
    await run();
    const summary = await run({ rule: '{ field: body, codepoints: [1, 100] }', newGeneration: true });
    expect(summary.accepted).toBe(12);
    expect(peer.calls).toHaveLength(12);
  });
});

describe('what goes wrong outside', () => {
  test('a final failure and a useless answer fail their records, each with its code (law 5)', async () => {
    peer.next(status(400), raw('{"choices":[]}'), raw('oops'), (response, call) =>
      response.end(JSON.stringify({ model: call.body.model, choices: [{ finish_reason: 'length', message: { content: 'cut' } }] })),
    );
    const summary = await run();
    expect(summary).toMatchObject({ candidates: 12, accepted: 8, failed: 4 });
    const log = await openLog(join(folder, 'log'), { readOnly: true });
    const texts = (await Promise.all([0, 1].map((partition) => readAll(log, TOPICS.failed, partition))))
      .flat()
      .map((entry) => Buffer.from(entry.value).toString('latin1'));
    for (const code of ['UPSTREAM_REFUSED', 'RESPONSE_EMPTY', 'RESPONSE_MALFORMED', 'ANSWER_CUT'])
      expect(texts.some((text) => text.includes(code))).toBe(true);
    await log.close();
  });

  test.each([
    ['a wrong address', status(404), 'answered HTTP 404. Check models.small.url'],
    ['an unreachable server', status(429, { 'retry-after': '86400' }), 'is given up for now: HTTP 429; the server asks to wait 86400 s'],
  ] as const)('%s ends the run and no record; once it is mended, the run goes on', async (_name, behaviour, says) => {
    peer.always(behaviour);
    const error = await rejection(run());
    expect(error.code).toBe('ATTEMPTS_EXHAUSTED');
    expect(error.message).toContain(`Model 'small' at ${peer.url} ${says}`);
    peer.always(good);
    expect(await run()).toMatchObject({ accepted: 12, failed: 0 });
  });

  test('a passing fault is not seen in the result', async () => {
    peer.next(cut, status(503, { 'retry-after': '0' }));
    expect(await run()).toMatchObject({ accepted: 12, failed: 0 });
    expect(peer.calls).toHaveLength(14);
  });

  test('a missing key is named before the run is deployed', async () => {
    const error = await rejection(run({ key: '' }));
    expect(error).toMatchObject({ code: 'USAGE' });
    expect(error.message).toContain('SMALL_KEY is not set');
    const log = await openLog(join(folder, 'log'), { readOnly: true });
    expect(await log.topics()).toEqual([]);
    await log.close();
  });

  test('the key is in no topic of the run', async () => {
    await run();
    expect(peer.calls[0]?.authorization).toBe(`Bearer ${KEY}`);
    const log = await openLog(join(folder, 'log'), { readOnly: true });
    for (const { name, partitions } of await log.topics()) {
      for (let partition = 0; partition < partitions; partition++) {
        for (const entry of await readAll(log, name, partition)) expect(Buffer.from(entry.value).includes(KEY)).toBe(false);
      }
    }
    await log.close();
  });
});
