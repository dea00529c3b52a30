/**
 * `mizu gateway` as a process of its own (laws 2, 7, 10): an ordinary model server for any program and for a run, killed and started again without paying twice;
 * and its document, whose walk is walked.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mizu } from '../support/cli.ts';
import { writeAsking } from '../support/asking-workflow.ts';
import { askGateway, type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts';
import { good, type ModelPeer, openModelPeer } from '../support/model-peer.ts';
import { scratchFolder } from '../support/scratch.ts';

const ROOT = join(import.meta.dirname, '../..');
const MIZU = `'${process.execPath}' '${join(ROOT, 'cli/main.ts')}' `;
const DIR = scratchFolder();
const ENV = { SMALL_KEY: 'sk-canary-of-the-model-5d2c', ALICE_TOKEN: 'canary-token-of-alice-77aa31', MIZU_INDEX_MEMORY: '16MB' };
/** Far beyond what it takes. */
const LIMIT_MS = 120_000;

let peer: ModelPeer;
let started: GatewayProcess[] = [];
let place = 0;
let dir: string;

beforeEach(async () => {
  peer = await openModelPeer();
  dir = join(DIR, String(place++));
});
afterEach(async () => {
  for (const { process: child } of started) child.kill('SIGKILL');
  await Promise.all(started.map(({ ended }) => ended));
  started = [];
  await peer.close();
});

function configure(more = ''): string {
  const file = `${dir}-gateway.yaml`;
  writeFileSync(
    file,
    `mizu: 1
models:
  small: { url: "${peer.url}", model: smollm2, keyEnv: SMALL_KEY }
callers:
  alice: { tokenEnv: ALICE_TOKEN }
${more}`,
  );
  return file;
}

async function startGateway(args: readonly string[] = []): Promise<GatewayProcess> {
  const running = await startGatewayProcess(['--config', configure(), '--log', dir, '--id', 'g', ...args], ENV);
  started.push(running);
  return running;
}

const ask = (address: string, key: string): Promise<Response> => askGateway(address, ENV.ALICE_TOKEN, key);

describe('a gateway as a process', () => {
  it('answers from what it recorded after kill -9, and ends cleanly when it is told to', { timeout: LIMIT_MS }, async () => {
    const first = await startGateway();
    const texts = [];
    for (const key of ['a', 'b']) texts.push(await (await ask(first.address, key)).text());
    // One answer is on its way when it dies.
    const arrived = new Promise<void>((resolve) => peer.next(() => resolve()));
    const lost = ask(first.address, 'c').then(
      (response) => response.text(),
      () => 'cut',
    );
    await arrived;
    first.process.kill('SIGKILL');
    await first.ended;
    expect(await lost).toBe('cut');
    const paid = peer.calls.length;
    const second = await startGateway();
    const again = [];
    for (const key of ['a', 'b']) again.push(await (await ask(second.address, key)).text());
    expect(again).toEqual(texts);
    expect(peer.calls).toHaveLength(paid);
    expect((await ask(second.address, 'c')).status).toBe(200);
    expect(peer.calls).toHaveLength(paid + 1);

    const health = await fetch(`${second.address}/healthz`);
    expect(health.status).toBe(200);
    const metrics = await (await fetch(`${second.address}/metrics`)).text();
    expect(metrics).toMatch(
      /mizu_endpoint_requests_total\{[^}]*caller="alice"[^}]*model="small"[^}]*status="200"[^}]*recorded="true"[^}]*\} 2/,
    );
    expect(metrics).toMatch(/mizu_endpoint_tokens_total\{[^}]*caller="alice"[^}]*\} 18/);
    expect(metrics).toMatch(/mizu_model_calls_limit\{[^}]*model="small"[^}]*\} \d/);
    second.process.kill('SIGTERM');
    expect(await second.ended).toBe(0);
    for (const text of [first.said(), second.said(), metrics, ...logBytes(dir)]) expect(text).not.toContain('canary');
  });

  it('that is followed by another on the same log says so, and ends', { timeout: LIMIT_MS }, async () => {
    const first = await startGateway();
    const second = await startGateway();
    expect((await ask(first.address, 'a')).status).toBe(503);
    expect(await first.ended).toBe(1);
    expect((await ask(second.address, 'a')).status).toBe(200);
  });

  it('is an ordinary model server for a run; killed in its middle it costs nothing that was recorded', { timeout: LIMIT_MS }, async () => {
    const candidates = 24;
    peer.always((response, call) => good(response, call, call.body.seed));
    let gateway = await startGateway();
    const file = (address: string): string =>
      writeAsking(DIR, { url: `${address}/v1`, candidates, taskSize: 4, keyEnv: 'ALICE_TOKEN', model: 'small' });
    let running: ChildProcess | undefined;
    const onStart = (child: ChildProcess): void => {
      running = child;
    };
    const run = (address: string) => mizu(['run', file(address), '--log', `${dir}-run`, '--json', '--workers', '1'], { env: ENV, onStart });
    peer.always((response, call, number) => {
      if (number === 10) gateway.process.kill('SIGKILL');
      else good(response, call, call.body.seed);
    });
    const breaking = run(gateway.address);
    await gateway.ended;
    // Left alone, it would try for half a minute more and end with 1.
    running?.kill('SIGINT');
    const broken = await breaking;
    expect(broken.code, broken.stderr).toBe(130);
    peer.always((response, call) => good(response, call, call.body.seed));
    gateway = await startGateway();
    const done = await run(gateway.address);
    expect(done.code, done.stderr).toBe(0);
    expect(JSON.parse(done.stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ accepted: candidates, failed: 0 });
    // Each question was answered once; those on their way when it died were asked again, and no others.
    const seeds = peer.calls.map(({ body }) => body.seed);
    expect(new Set(seeds).size).toBe(candidates);
    expect(seeds.length).toBeLessThanOrEqual(candidates + 8);
    const replay = await mizu(['replay', 'tickets', '--log', `${dir}-run`, '--workers', '1'], { env: {} });
    expect(replay.code, replay.stderr).toBe(0);
    expect(peer.calls).toHaveLength(seeds.length);
    const exported = await mizu(['export', 'tickets', '--log', `${dir}-run`, '--out', `${dir}-data`, '--format', 'jsonl,csv,parquet']);
    expect(exported.code, exported.stderr).toBe(0);
    const said = [broken, done, replay, exported].flatMap(({ stdout, stderr }) => [stdout, stderr]);
    for (const text of [...said, ...logBytes(`${dir}-run`), ...logBytes(`${dir}-data`), ...logBytes(dir)])
      expect(text).not.toContain('canary');
  });
});

describe('a wrong start', () => {
  it('names everything that is wrong with the configuration, with its place, before anything is opened', async () => {
    const file = `${dir}-wrong.yaml`;
    writeFileSync(
      file,
      'mizu: 1\nmodels:\n  small: { url: "not an address", call: 5 }\ncallers:\n  a b: { tokenEnv: X }\n  bob: { models: [large] }\n',
    );
    const wrong = await mizu(['gateway', '--config', file, '--log', dir]);
    expect(wrong.code).toBe(2);
    for (const part of [`${file}:3:`, 'models.small.url', 'models.small.call', 'callers']) expect(wrong.stderr).toContain(part);
    expect(readdirSync(DIR)).not.toContain(dir);
  });

  it('names variables of missing keys and tokens, and never their values', async () => {
    const config = configure('  bob: { tokenEnv: BOB_TOKEN }\n  carl: { tokenEnv: CARL_TOKEN }\n');
    const start = (env: Readonly<Record<string, string>>) => mizu(['gateway', '--config', config, '--port', '0', '--log', dir], { env });
    const short = await start({ ...ENV, BOB_TOKEN: 'canary' });
    expect(short.code).toBe(2);
    expect(short.stderr).toMatch(/BOB_TOKEN has fewer than 16 characters/);
    expect(short.stderr).toContain('CARL_TOKEN holds no token');
    expect(short.stderr).not.toContain('canary');
    const twice = await start({ ...ENV, BOB_TOKEN: ENV.ALICE_TOKEN, CARL_TOKEN: 'canary-of-carl-0123456' });
    expect(twice.stderr).toContain("callers 'alice' and 'bob' have the same token");
    const keyless = await start({
      BOB_TOKEN: 'canary-of-bob-01234567',
      CARL_TOKEN: 'canary-of-carl-0123456',
      ALICE_TOKEN: ENV.ALICE_TOKEN,
    });
    expect(keyless.stderr).toContain('SMALL_KEY is not set');
  });

  it.each([
    [['--port', '1'], '--config is missing'],
    [['--config', '/nowhere.yaml'], "Can't read the configuration /nowhere.yaml"],
  ])('with %s is told so', async (args, says) => {
    const wrong = await mizu(['gateway', ...args, '--log', dir]);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining(says)]);
  });
});

describe('its document', () => {
  const text = readFileSync(join(ROOT, 'documents/gateway.md'), 'utf8');
  const blocks = (mark: string): string[] =>
    [...text.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].filter((match) => match[1] === mark).map((match) => match[2] ?? '');

  it('walks: its configuration starts a gateway, and every curl of it is answered as it says', { timeout: LIMIT_MS }, async () => {
    const [config = ''] = blocks('yaml');
    writeFileSync(`${dir}-document.yaml`, config.replaceAll('http://127.0.0.1:8080/v1', peer.url));
    const gateway = await startGateway(['--config', `${dir}-document.yaml`]);
    const commands = blocks('sh curl');
    expect(commands).toHaveLength(5);
    const outputs: string[] = [];
    for (const command of commands)
      outputs.push(await shell(command.replaceAll('http://127.0.0.1:8090', gateway.address).replace(/^mizu /m, MIZU)));
    expect(outputs[0]).toContain('"id":"small"');
    expect(outputs[1]).toMatch(/mizu-attestation: [0-9a-f]{64}[\s\S]*Answer 1 to/i);
    expect(outputs[2]).toContain('"payloadType":"application/vnd.in-toto+json"');
    expect(outputs[3]).toMatch(
      /attestation\.json verifies: an answer of model 'small' for 'alice\/ticket-1'[\s\S]*answer\.json is the answer that was signed/,
    );
    expect(outputs[4]).toContain('[DONE]');
  });
});

/** @returns standard output and error of a shell. */
function shell(command: string): Promise<string> {
  // The stream of the walk.
  if (command.includes('"stream"'))
    peer.next((response, call) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(
        `data: ${JSON.stringify({ model: call.body.model, choices: [{ index: 0, delta: { content: 'Hi' } }] })}\n\ndata: [DONE]\n\n`,
      );
    });
  const child = spawn('bash', ['-ec', command], { env: { ...process.env, ...ENV }, cwd: DIR, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()));
  return new Promise((resolve) => child.once('close', () => resolve(output)));
}

function logBytes(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
}
