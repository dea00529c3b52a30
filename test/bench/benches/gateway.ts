/**
 * What the gateway costs: the same client asks the same model server directly and through `mizu gateway`, in turn, in one run; then signing, recording and replay without any
 * network, and what the adaptive limit finds on virtual time. The peer is the server without the gateway.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { benchInside, benchLimit, parallel } from '../gateway/inside.ts';
import type { Bench, BenchOptions } from '../harness/bench.ts';
import { machine, median, ratioOf, type Side, summarise } from '../harness/result.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const DEFAULT_CALLS = 2_000;
const AT_ONCE = 64;
/** Calls one after the other, on a server that waits for nothing. */
const ALONE_CALLS = 400;
const TOKEN = 'token-of-the-benchmark';

export const gateway: Bench = async (options) => {
  const calls = options.records ?? DEFAULT_CALLS;
  const folder = mkdtempSync(join(tmpdir(), 'mizu-bench-gateway-'));
  options.cleanup.add(() => rmSync(folder, { recursive: true, force: true }));
  const [quick, slow] = await Promise.all([startUpstream(options, 0, 0), startUpstream(options, 50, 200)]);
  const through = await startGateway(options, folder, { quick, slow });
  const runs: { readonly direct: Side; readonly mizu: Side }[] = [];
  for (let n = 0; n < options.repeat; n++) {
    options.note(`run ${n + 1} of ${options.repeat}`);
    runs.push(await compare(calls, { quick, slow, through }));
  }
  const inside = await benchInside(calls);
  const limits = await Promise.all([1, 2, 3].map(benchLimit));
  const mizu = summarise(runs.map((run) => run.mizu));
  const direct = summarise(runs.map((run) => run.direct));
  const figures = {
    ...mizu.figures,
    'overhead p50, ms': (mizu.figures['alone p50, ms'] ?? 0) - (direct.figures['alone p50, ms'] ?? 0),
    'sign and record alone, ms': inside.msPerCallAlone,
    'sign and record at once, ms': inside.msPerCallAtOnce,
    'of it a bare commit, ms': inside.msPerCommit,
    'replayed/s': inside.replayedPerSecond,
    'of it the signature, µs': inside.usPerSignatureCheck,
    'limit used': median(limits.map(({ used }) => used)),
    'limit put off': median(limits.map(({ putOff }) => putOff)),
  };
  return {
    bench: 'gateway',
    machine: machine(),
    repeat: options.repeat,
    figures,
    peers: [{ ...direct, ratio: ratioOf(mizu, direct) }],
    notes: [],
  };
};

interface Addresses {
  readonly quick: string;
  readonly slow: string;
  readonly through: string;
}

/** Sides take turns call by call where they are alone, and stretch by stretch where 64 are on their way. */
async function compare(calls: number, { quick, slow, through }: Addresses): Promise<{ readonly direct: Side; readonly mizu: Side }> {
  const alone: Record<'direct' | 'mizu', number[]> = { direct: [], mizu: [] };
  for (let n = -50; n < ALONE_CALLS; n++) {
    const [direct, mizu] = [await timed(() => ask(quick, 'quick', n)), await timed(() => ask(through, 'quick', n))];
    if (n < 0) continue;
    alone.direct.push(direct);
    alone.mizu.push(mizu);
  }
  // The gateway finds out how many the server takes.
  await parallel(AT_ONCE, calls / 2, (n) => ask(through, 'slow', n));
  await parallel(AT_ONCE, calls / 2, (n) => ask(slow, 'slow', n));
  const seconds: Record<'direct' | 'mizu', number> = { direct: 0, mizu: 0 };
  for (let part = 0; part < 4; part++) {
    seconds.direct += (await timed(() => parallel(AT_ONCE, calls / 4, (n) => ask(slow, 'slow', n)))) / 1_000;
    seconds.mizu += (await timed(() => parallel(AT_ONCE, calls / 4, (n) => ask(through, 'slow', n)))) / 1_000;
  }
  const side = (name: 'direct' | 'mizu'): Side => ({
    name,
    figures: {
      'alone p50, ms': median(alone[name]),
      'alone p95, ms': percentile(alone[name], 0.95),
      'calls/s, 64 at once': calls / seconds[name],
    },
  });
  return { direct: side('direct'), mizu: side('mizu') };
}

async function ask(address: string, model: string, n: number): Promise<void> {
  const response = await fetch(`${address}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: `Complain about kettle ${n}.` }], max_tokens: 120 }),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`HTTP ${response.status}: ${text.slice(0, 200)}`);
}

function startUpstream({ cleanup }: BenchOptions, least: number, most: number): Promise<string> {
  const child = spawn(process.execPath, [join(ROOT, 'test/bench/gateway/upstream.ts'), String(least), String(most)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanup.add(() => ended(child));
  return heard(child, child.stdout, /^(\d+)\n/).then((port) => `http://127.0.0.1:${port}`);
}

function startGateway({ cleanup }: BenchOptions, folder: string, { quick, slow }: Omit<Addresses, 'through'>): Promise<string> {
  const file = join(folder, 'gateway.yaml');
  const models = `models:\n  quick: { url: "${quick}/v1" }\n  slow: { url: "${slow}/v1", calls: ${AT_ONCE} }\n`;
  writeFileSync(file, `mizu: 1\n${models}callers:\n  bench: { tokenEnv: BENCH_TOKEN, calls: 256, perMinute: 1000000 }\n`);
  const args = ['gateway', '--config', file, '--port', '0', '--log', join(folder, 'log'), '--id', 'bench'];
  const child = spawn(process.execPath, [join(ROOT, 'cli/main.ts'), ...args], {
    env: { ...process.env, BENCH_TOKEN: TOKEN },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  cleanup.add(() => ended(child));
  return heard(child, child.stderr, /Callers are answered at (http:\/\/[^/\s]+)/);
}

function heard(child: ChildProcess, stream: NodeJS.ReadableStream, pattern: RegExp): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    stream.on('data', (part: Buffer) => {
      text += part.toString();
      const found = pattern.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('close', (code) => reject(new Error(`a process of the benchmark ended with ${code}: ${text}`)));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.kill('SIGTERM');
  await gone;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function percentile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;
}
