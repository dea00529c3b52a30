/**
 * Plays damaged files on worker threads: each within a bound of time and memory, so that a file that hangs or eats memory ends its thread and not the game.
 * The n-th file of a seed is always the same.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type Corpus, gatewaySamples, writeCorpus } from './corpus.ts';
import { judgeGateway, judgeWorkflow, type Verdict } from './judge.ts';
import { type Damaged, damaged } from './mutate.ts';

/** Most CPU time for one file, seconds. */
export const FILE_CPU_SECONDS = 2;
/** Most heap of a thread, MB. A process that checks one file has no more by default than some gigabytes; no file may need a tenth of that. */
const HEAP_MB = 384;
/** A thread that says nothing for so long hangs: on a machine with other work this is much more than `FILE_CPU_SECONDS`. */
const SILENCE_MS = 30_000;
const WATCH_MS = 500;
/** Files between two words of a thread. */
const CHUNK = 100;

export type Kind = 'workflow' | 'gateway';

export interface Finding {
  readonly n: number;
  readonly name: string;
  readonly failure: string;
}

export interface Game {
  readonly kind: Kind;
  readonly seed: number;
  /** The first file, and the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly threads: number;
  /** Ends early, at the end of a chunk, milliseconds. */
  readonly withinMs?: number;
}

export interface Played {
  readonly files: number;
  readonly compiles: number;
  readonly refused: number;
  /** Seconds of CPU of the slowest file, and its number. */
  readonly slowest: { readonly n: number; readonly seconds: number };
  readonly findings: readonly Finding[];
}

interface Orders extends Pick<Game, 'kind' | 'seed'> {
  readonly folder: string;
  /** The file at hand. */
  readonly at: SharedArrayBuffer;
}

/** The n-th file of a game. */
export function fileOf(corpus: Corpus, { kind, seed }: Pick<Game, 'kind' | 'seed'>, n: number): Damaged {
  return damaged(kind === 'workflow' ? corpus.samples : gatewaySamples, seed, n);
}

export async function judgeFile(corpus: Corpus, kind: Kind, bytes: Uint8Array): Promise<Verdict> {
  return kind === 'workflow' ? judgeWorkflow(bytes, corpus.host()) : judgeGateway(bytes);
}

export async function play(game: Game, onProgress: (files: number) => void = () => {}): Promise<Played> {
  const folder = mkdtempSync(join(tmpdir(), 'mizu-fuzz-'));
  const total = { files: 0, compiles: 0, refused: 0, slowest: { n: game.from, seconds: 0 } };
  const findings: Finding[] = [];
  const corpus = writeCorpus(folder);
  const began = performance.now();
  let next = game.from;
  const take = (): [number, number] | undefined => {
    if (next >= game.to || performance.now() - began > (game.withinMs ?? Number.POSITIVE_INFINITY)) return undefined;
    const from = next;
    next = Math.min(game.to, from + CHUNK);
    return [from, next];
  };
  const found = (n: number, failure: string): void => void findings.push({ n, name: fileOf(corpus, game, n).name, failure });
  const add = (part: Played): void => {
    total.files += part.files;
    total.compiles += part.compiles;
    total.refused += part.refused;
    if (part.slowest.seconds > total.slowest.seconds) total.slowest = part.slowest;
    findings.push(...part.findings);
    onProgress(total.files);
  };
  try {
    await Promise.all(Array.from({ length: game.threads }, () => playOn(game, folder, take, add, found)));
    return { ...total, findings: findings.sort((a, b) => a.n - b.n) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One thread after another, until no chunk is left. */
async function playOn(
  game: Game,
  folder: string,
  take: () => [number, number] | undefined,
  add: (part: Played) => void,
  found: (n: number, failure: string) => void,
): Promise<void> {
  for (let chunk = take(); chunk !== undefined; ) {
    const at = new SharedArrayBuffer(4);
    const here = new Int32Array(at);
    const orders: Orders = { kind: game.kind, seed: game.seed, folder, at };
    const worker = new Worker(new URL(import.meta.url), { workerData: orders, resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } });
    let ended: string | undefined;
    while (chunk !== undefined && ended === undefined) {
      here[0] = chunk[0];
      const part: Played | string = await answerOf(worker, chunk, here);
      if (typeof part === 'string') ended = part;
      else {
        add(part);
        chunk = take();
      }
    }
    await worker.terminate();
    if (ended === undefined || chunk === undefined) continue;
    // What the thread had judged of this chunk before is judged again by the next one: it must be told whole or not at all.
    const broken = here[0] ?? chunk[0];
    found(broken, ended);
    const before: [number, number] = [chunk[0], broken];
    const after: [number, number] = [broken + 1, chunk[1]];
    const rest = [before, after].filter(([from, to]) => from < to);
    await playOn({ ...game, threads: 1 }, folder, () => rest.shift(), add, found);
    chunk = take();
  }
}

function answerOf(worker: Worker, chunk: [number, number], here: Int32Array): Promise<Played | string> {
  return new Promise((resolve) => {
    let seen = here[0] ?? 0;
    let since = performance.now();
    const watch = setInterval(() => {
      const now = here[0] ?? 0;
      if (now !== seen) [seen, since] = [now, performance.now()];
      else if (performance.now() - since > SILENCE_MS) answer(`it hangs: nothing came for ${SILENCE_MS} ms`);
    }, WATCH_MS);
    const told = (part: Played): void => answer(part);
    const failed = (error: Error): void => answer(`it ends its thread: ${error.message}\n${error.stack}`);
    const gone = (code: number): void => answer(`it ends its thread with ${code}`);
    const answer = (part: Played | string): void => {
      clearInterval(watch);
      worker.off('message', told).off('error', failed).off('exit', gone);
      resolve(part);
    };
    worker.on('message', told).on('error', failed).on('exit', gone);
    worker.postMessage(chunk);
  });
}

/** In a thread: judges what it is sent. */
async function judgeChunk({ kind, seed, at }: Orders, corpus: Corpus, [from, to]: readonly [number, number]): Promise<Played> {
  const here = new Int32Array(at);
  const count = { compiles: 0, refused: 0 };
  let slowest = { n: from, seconds: 0 };
  const findings: Finding[] = [];
  for (let n = from; n < to; n++) {
    here[0] = n;
    const { name, bytes } = fileOf(corpus, { kind, seed }, n);
    const before = process.threadCpuUsage();
    const verdict = await judgeFile(corpus, kind, bytes);
    const { user, system } = process.threadCpuUsage(before);
    const seconds = (user + system) / 1e6;
    if (seconds > slowest.seconds) slowest = { n, seconds };
    if (typeof verdict === 'string') count[verdict === 'compiles' ? 'compiles' : 'refused']++;
    else findings.push({ n, name, failure: verdict.failure });
    if (seconds > FILE_CPU_SECONDS) findings.push({ n, name, failure: `it takes ${seconds.toFixed(1)} s for ${bytes.length} bytes` });
  }
  return { files: to - from, ...count, slowest, findings };
}

if (!isMainThread && parentPort !== null) {
  const orders = workerData as Orders;
  const corpus = writeCorpus(orders.folder);
  parentPort.on(
    'message',
    (chunk: [number, number]) => void judgeChunk(orders, corpus, chunk).then((part) => parentPort?.postMessage(part)),
  );
}
