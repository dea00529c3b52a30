/** A program that asks a model and a hosted simulator: what models take is counted and checked, and what simulators answer is no part of it (P15). */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hostSimulators } from '#topologies';
import { lastObject, mizu } from '../support/cli.ts';
import { type ModelPeer, openModelPeer } from '../support/model-peer.ts';
import { scratchFolder } from '../support/scratch.ts';

const DIR = scratchFolder();
const LIMIT_MS = 90_000;
let host: Awaited<ReturnType<typeof hostSimulators>>;
let peer: ModelPeer;

beforeAll(async () => {
  host = await hostSimulators({ host: '127.0.0.1', port: 0, token: 'token-of-simulators' });
  peer = await openModelPeer();
});
afterAll(async () => {
  await host.close();
  await peer.close();
});

it('verifies and replays, and counts the tokens of the model alone', { timeout: LIMIT_MS }, async () => {
  const file = join(DIR, 'both.yaml');
  const log = join(DIR, 'log');
  writeFileSync(
    file,
    `mizu: 1
name: both
seed: 7
budget: { candidates: 8 }
task: { size: 3 }
models:
  falls: { url: "${host.address}/v1", keyEnv: HOST_TOKEN }
  small: { url: "${peer.url}", model: smollm2 }
generate:
  - random: { as: height, number: [1, 4], id: height }
  - simulate-hosted: { host: falls, engine: free-fall, id: fall, params: { stepsPerSecond: 100 } }
  - inference: { as: body, model: small, prompt: "Tell of a fall from {{height}} m.", maxTokens: 60 }
publish: { fields: [height, body] }
`,
  );
  const run = await mizu(['run', file, '--log', log, '--json', '--workers', '1'], { env: { HOST_TOKEN: 'token-of-simulators' } });
  expect(run.code, run.stderr).toBe(0);
  const { candidates, accepted, inference } = lastObject(run) as {
    readonly candidates: number;
    readonly accepted: number;
    readonly inference: { readonly steps: Readonly<Record<string, unknown>> };
  };
  expect([candidates, accepted, peer.calls.length]).toEqual([8, 8, 8]);
  expect(JSON.stringify(inference)).toContain('body');
  expect(JSON.stringify(inference)).not.toContain('fall');
  for (const command of ['verify', 'replay']) {
    const checked = await mizu([command, 'both', '--log', log, '--json']);
    expect(checked.code, checked.stdout + checked.stderr).toBe(0);
  }
});
