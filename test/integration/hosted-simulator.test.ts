/** A hosted simulator by the route of models (laws 1, 3, 7): the records are those of the same simulator in the process, and a replay needs no host. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostSimulators } from '#topologies';
import { lastObject, mizu } from '../support/cli.ts';
import { scratchFolder } from '../support/scratch.ts';

const ROOT = join(import.meta.dirname, '../..');
const DIR = scratchFolder();
const TOKEN = 'canary-token-of-simulators';
const LIMIT_MS = 90_000;
let host: Awaited<ReturnType<typeof hostSimulators>>;
const processes: ChildProcess[] = [];

beforeAll(async () => {
  host = await hostSimulators({ host: '127.0.0.1', port: 0, token: TOKEN });
});
afterAll(async () => {
  for (const child of processes) child.kill('SIGKILL');
  await host.close();
});

function workflow(name: string, step: string, url: string): string {
  const file = join(DIR, `${name}.yaml`);
  writeFileSync(
    file,
    `mizu: 1
name: ${name}
seed: 7
budget: { candidates: 12 }
task: { size: 4 }
models: { falls: { url: "${url}", keyEnv: HOST_TOKEN } }
generate:
  - random: { as: height, number: [-0.5, 4], id: height }
  - ${step}
`,
  );
  return file;
}

const SETTINGS = 'engine: free-fall, id: fall, params: { stepsPerSecond: 100 }';

async function records(name: string, log: string): Promise<unknown[]> {
  const out = join(DIR, `${name}-data`);
  const exported = await mizu(['export', name, '--log', log, '--out', out, '--format', 'jsonl']);
  expect(exported.code, exported.stderr).toBe(0);
  const rows = readFileSync(join(out, `${name}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n');
  // The id names the run.
  return rows.map((row) => ({ ...(JSON.parse(row) as object), _id: undefined }));
}

/** @returns a gateway in front of the host, and its address. */
function startGateway(log: string): Promise<string> {
  const config = join(DIR, 'gateway.yaml');
  writeFileSync(
    config,
    `mizu: 1\nmodels: { falls: { url: "${host.address}/v1", keyEnv: HOST_TOKEN } }\ncallers: { run: { tokenEnv: RUN_TOKEN } }\n`,
  );
  const child = spawn(process.execPath, ['cli/main.ts', 'gateway', '--config', config, '--port', '0', '--log', log, '--id', 'g'], {
    cwd: ROOT,
    env: { ...process.env, HOST_TOKEN: TOKEN, RUN_TOKEN: 'canary-token-of-the-run' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  processes.push(child);
  let text = '';
  return new Promise((resolve, reject) => {
    child.stderr.on('data', (part: Buffer) => {
      text += part.toString();
      const address = /Callers are answered at (\S+)/.exec(text)?.[1];
      if (address !== undefined) resolve(address);
    });
    child.once('close', () => reject(new RangeError(text)));
  });
}

describe('a simulator behind HTTP', () => {
  it('gives the records of the same one in the process, straight or through a gateway, and its run replays without it', {
    timeout: LIMIT_MS,
  }, async () => {
    const log = (name: string): string => join(DIR, `${name}-log`);
    const run = async (name: string, step: string, url: string, token: string): Promise<void> => {
      const done = await mizu(['run', workflow(name, step, url), '--log', log(name), '--json', '--workers', '1'], {
        env: { HOST_TOKEN: token },
      });
      expect(done.code, done.stderr).toBe(0);
      const result = lastObject(done);
      expect(result['candidates']).toBe(12);
      // Heights below the ground make no sense, wherever it runs.
      expect(result['failed']).toBeGreaterThan(0);
    };
    await run('near', `simulate: { ${SETTINGS} }`, `${host.address}/v1`, TOKEN);
    await run('far', `simulate-hosted: { host: falls, ${SETTINGS} }`, `${host.address}/v1`, TOKEN);
    const gateway = await startGateway(log('gateway'));
    await run('between', `simulate-hosted: { host: falls, ${SETTINGS} }`, gateway, 'canary-token-of-the-run');
    const near = await records('near', log('near'));
    expect(near.length).toBeGreaterThan(0);
    expect(await records('far', log('far'))).toEqual(near);
    expect(await records('between', log('between'))).toEqual(near);
    await host.close();
    const failed = await mizu(['failed', 'far', '--log', log('far')]);
    expect(failed.stdout).toContain('HEIGHT_NEGATIVE');
    const replay = await mizu(['replay', 'far', '--log', log('far'), '--workers', '1']);
    expect(replay.code, replay.stderr).toBe(0);
    for (const { stdout, stderr } of [failed, replay]) expect(stdout + stderr).not.toContain('canary');
  });
});

describe('the host itself', () => {
  it('says in the shape of its protocol what it can not understand', async () => {
    const open = await hostSimulators({ host: '127.0.0.1', port: 0 });
    const ask = async (body: string): Promise<readonly [number, unknown]> => {
      const response = await fetch(`${open.address}/v1/simulations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      return [response.status, await response.json()];
    };
    const good = { engine: 'free-fall', params: { gravity: 2, stepsPerSecond: 2 }, input: { height: 0.5 }, seed: '0'.repeat(64) };
    expect(await ask(JSON.stringify(good))).toMatchObject([
      200,
      { engine: 'free-fall', version: 1, output: { seconds: 0.5, impactSpeed: 1, steps: 1 } },
    ]);
    const wrong = [
      '{',
      '{"engine":"free-fall","engine":"free-fall"}',
      JSON.stringify({ ...good, seed: 'x' }),
      JSON.stringify({ ...good, input: {} }),
      JSON.stringify({ ...good, input: { height: '1' } }),
      JSON.stringify({ ...good, params: { gravity: -1 } }),
      JSON.stringify({ ...good, more: 1 }),
    ];
    for (const body of wrong) expect(await ask(body)).toMatchObject([400, { error: { message: expect.any(String), code: 'bad_request' } }]);
    expect(await ask(JSON.stringify({ ...good, engine: 'rise' }))).toMatchObject([404, { error: { code: 'engine_not_found' } }]);
    expect(await ask(JSON.stringify({ ...good, version: 9 }))).toMatchObject([404, {}]);
    expect(await ask(JSON.stringify({ ...good, input: { height: -1 } }))).toMatchObject([200, { fault: { code: 'HEIGHT_NEGATIVE' } }]);
    await open.close();
  });

  it('wants its token', async () => {
    const closed = await hostSimulators({ host: '127.0.0.1', port: 0, token: TOKEN });
    expect((await fetch(`${closed.address}/v1/models`)).status).toBe(401);
    const models = await fetch(`${closed.address}/v1/models`, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect(await models.json()).toMatchObject({ data: [{ id: 'stacks' }, { id: 'free-fall' }] });
    await closed.close();
  });
});
