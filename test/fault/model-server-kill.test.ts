/** kill -9 of the model server in mid-run (laws 4, 7; P9): the run waits for it, asks again what was on its way, pays for nothing that was recorded, and loses nothing. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openAttestation, readRun, RunTopics, verifyRun } from '#engine';
import { openLog, openSigner } from '#topologies';
import { embeddedRun, writeAsking } from '../support/asking-workflow.ts';
import { readAll } from '../support/log-tools.ts';

const CANDIDATES = 40;
const LIMIT_MS = 120_000;
/** As `calls` of the workflow: so many may be on their way. */
const AT_ONCE = 8;
const SERVER = join(import.meta.dirname, '../bench/gateway/upstream.ts');

interface Server {
  readonly process: ChildProcess;
  readonly port: number;
  /** Calls that it took. */
  readonly calls: () => number;
  readonly ended: Promise<unknown>;
}

let folder: string;
let servers: Server[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-model-kill-'));
  servers = [];
});
afterEach(async () => {
  for (const { process: child } of servers) child.kill('SIGKILL');
  await Promise.all(servers.map(({ ended }) => ended));
  rmSync(folder, { recursive: true, force: true });
});

/** @param onCall told of each call that it takes. */
function startServer(port: number, onCall: (server: Server) => void): Promise<Server> {
  const child = spawn(process.execPath, [SERVER, '20', '60', String(port), 'tell'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let text = '';
  return new Promise((resolve, reject) => {
    const server: Server = { process: child, port, calls: () => text.split('call\n').length - 1, ended };
    let known: Server | undefined;
    child.stdout.on('data', (part: Buffer) => {
      text += part.toString();
      const given = /^(\d+)\n/.exec(text)?.[1];
      if (known === undefined && given !== undefined) {
        known = { ...server, port: Number(given) };
        servers.push(known);
        resolve(known);
      }
      if (known !== undefined) onCall(known);
    });
    void ended.then(() => reject(new RangeError(`the model server ended: ${text}`)));
  });
}

test(
  'a model server that is killed and comes back costs no record and no recorded answer',
  async () => {
    let killed = false;
    let again: Promise<Server> | undefined;
    const first = await startServer(0, (server) => {
      if (killed || server.calls() < CANDIDATES / 2) return;
      killed = true;
      server.process.kill('SIGKILL');
      again = server.ended.then(() => startServer(server.port, () => undefined));
    });
    const log = await openLog(join(folder, 'log'), { readOnly: false });
    const file = writeAsking(folder, { url: `http://127.0.0.1:${first.port}/v1`, candidates: CANDIDATES, taskSize: 4 });
    const summary = await embeddedRun(log, file);
    const second = await again;
    expect(killed).toBe(true);
    expect(summary).toMatchObject({ candidates: CANDIDATES, failed: 0 });
    const answers = await readAll(log, new RunTopics({ name: 'tickets', generation: 1 }).attestations, 0);
    expect(answers).toHaveLength(CANDIDATES);
    const { publicKey } = openSigner(log);
    for (const { value } of answers) expect(openAttestation(value, [publicKey]).outcome).toEqual({ kind: 'answer' });
    // Beside each answer only what was on its way when it died was paid for.
    expect(first.calls() + (second?.calls() ?? 0)).toBeLessThanOrEqual(CANDIDATES + AT_ONCE);
    expect((await verifyRun(log, await readRun(log, 'tickets'))).problems).toEqual([]);
    await log.close();
  },
  LIMIT_MS,
);
