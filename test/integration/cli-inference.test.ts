/** Workflows that ask a model, through the commands: keys come from the environment, and replays ask nobody (laws 3, 7). */
import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { lastObject, mizu } from '../support/cli.ts';
import { good, type ModelPeer, openModelPeer } from '../support/model-peer.ts';
import { scratchFolder } from '../support/scratch.ts';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LIMIT_MS = 60_000;
const dir = scratchFolder();
const file = join(dir, 'tickets.yaml');
const env = { SMALL_KEY: 'sk-for-tests-only' };
let peer: ModelPeer;

beforeAll(async () => {
  peer = await openModelPeer();
  writeFileSync(
    file,
    `mizu: 1
name: tickets
seed: 7
budget: { candidates: 6 }
task: { size: 3 }
data: { products: { list: [kettle, lamp, chair] } }
models: { small: { url: "${peer.url}", model: smollm2, keyEnv: SMALL_KEY } }
generate:
  - select: { from: products, as: product }
  - inference: { as: body, model: small, prompt: "Complain about the {{product}}.", maxTokens: 60 }
verify:
  - length: { field: body, words: [1, null] }
publish: { fields: [product, body] }
`,
  );
});
afterAll(() => peer.close());

it('a missing key is named before any work, and no key is ever shown', async () => {
  const missing = await mizu(['run', file, '--log', join(dir, 'log')]);
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain('SMALL_KEY');
  expect(peer.calls).toHaveLength(0);
});

it('a preview asks for real and records nothing; a run asks, and its replay, proof and story ask nobody', async () => {
  const preview = await mizu(['preview', file, '-n', '2', '--json'], { env });
  expect(lastObject(preview)).toMatchObject({ ok: true, records: [{ outcome: 'published' }, { outcome: 'published' }] });
  expect(peer.calls).toHaveLength(2);
  expect(JSON.stringify(lastObject(preview))).toMatch(/"answers":\[\{"draw":0,.*"answer":"Answer [12] to: Complain about/);
  const run = await mizu(['run', file, '--log', join(dir, 'log'), '--json', '--verbose'], { env });
  expect(run.code, run.stderr).toBe(0);
  expect(lastObject(run)).toMatchObject({ accepted: 6 });
  expect(peer.calls).toHaveLength(8);
  const on = (...args: string[]) => mizu([...args, '--log', join(dir, 'log'), '--json']);
  const [replay, verify, story] = await Promise.all([on('replay', 'tickets'), on('verify', 'tickets'), on('show', 'tickets/1/1.2')]);
  expect([replay.code, verify.code, story.code], replay.stderr + verify.stderr + story.stderr).toEqual([0, 0, 0]);
  expect(lastObject(story)).toMatchObject({
    outcome: 'published',
    steps: expect.arrayContaining([
      expect.objectContaining({
        step: 'body',
        answers: [
          {
            draw: 0,
            attestation: expect.stringMatching(/^[0-9a-f]{64}$/),
            signedBy: expect.stringMatching(/^[0-9a-f]{64}$/),
            model: { name: 'small', asked: 'smollm2', answered: 'smollm2' },
            messages: [{ role: 'user', content: expect.stringMatching(/^Complain about the (kettle|lamp|chair)\.$/) }],
            answer: expect.stringMatching(/^Answer \d+ to: Complain/),
            outcome: { kind: 'answer' },
            status: 200,
            finishReason: 'stop',
            usage: { promptTokens: 11, completionTokens: 7, totalTokens: 18 },
          },
        ],
      }),
    ]),
  });
  const told = await mizu(['show', 'tickets/1/1.2', '--log', join(dir, 'log')]);
  expect(told.stdout).toMatch(/draw 0: small \(asked as smollm2\); 11 \+ 7 tokens; finished by stop\n +user +Complain about the/);
  expect(told.stdout).toMatch(/signed +attestation [0-9a-f]{16}…, by key [0-9a-f]{16}…/);
  expect(peer.calls).toHaveLength(8);
  for (const { stdout, stderr } of [preview, run, replay, verify, story]) expect(stdout + stderr).not.toContain(env.SMALL_KEY);
});

it('says what a run pays for, and what it takes from the record', async () => {
  const log = join(dir, 'paid');
  const first = await mizu(['run', file, '--log', log], { env });
  expect(first.stdout).toMatch(/paid now +\d+ tokens in 6 calls; 0 answers were recorded before/);
  const second = await mizu(['run', file, '--log', log, '--set', 'verify[0].length.words=[2,null]', '--new-generation'], { env });
  expect(second.code, second.stderr).toBe(0);
  expect(second.stdout).toMatch(/paid now +0 tokens in 0 calls; 6 answers were recorded before/);
});

it('of a run that stopped halfway, says what was taken by step and what is still to come; gone on with, what all of it took', {
  timeout: LIMIT_MS,
}, async () => {
  const log = join(dir, 'halfway');
  let child: ChildProcess | undefined;
  const before = peer.calls.length;
  // At most three calls at once: those of the first task. The others are never answered.
  const args = ['run', file, '--log', log, '--workers', '1', '--set', 'models.small.calls=3'];
  peer.always((response, call, number) => void (number - before <= 3 && good(response, call, number)));
  const running = mizu(args, {
    env,
    onStart: (started) => {
      child = started;
    },
  });
  const now = () => mizu(['status', 'tickets', '--log', log, '--json']);
  await expect.poll(async () => (await now()).stdout, { timeout: LIMIT_MS / 2, interval: 200 }).toContain('"questions":3');
  child?.kill('SIGINT');
  const stopped = await running;
  expect(stopped.code, stopped.stderr).toBe(130);
  const status = lastObject(await now());
  const first = { questions: 3, input: 33, output: 21 };
  expect(status).toMatchObject({
    inference: { ...first, steps: { body: { ...first, model: 'small' } } },
    estimate: { candidates: 3, tokens: 54 },
  });
  const told = await mizu(['status', 'tickets', '--log', log]);
  expect(told.stdout).toMatch(/inference +3 questions, 54 tokens \(33 in, 21 out\)/);
  expect(told.stdout).toMatch(/to come +about 54 tokens to come \(estimate: 3 candidates × mean so far\)/);
  peer.always(good);
  const done = await mizu(args, { env });
  expect(done.stdout).toMatch(/body +6 questions, 108 tokens \(66 in, 42 out\), by small/);
  expect(done.stdout).toMatch(/paid now +54 tokens in 3 calls; 3 answers were recorded before/);
});
