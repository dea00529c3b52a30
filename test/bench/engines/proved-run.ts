/** What can be done with a run on an embedded log once it is there: replay, verify, prove, check a proof. Commands are timed as a user sees them, from start to exit. */
import { execFile, execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { verifyProof } from '#engine';
import { median } from '../harness/result.ts';
import { CLI } from './embedded.ts';

/** Proofs that are made: of candidates spread over the run. */
const PROOFS = 5;
/** Checks of each inside this process, before and while they count. */
const WARM_UP_CHECKS = 20;
const CHECKS = 100;
/** A task has more candidates than this. */
const SPREAD_OVER = 1000;

const execute = promisify(execFile);

interface Said {
  readonly ok: boolean;
  readonly seconds?: number;
  readonly tasks?: number;
  readonly verifierKey?: string;
}

interface Commanded {
  readonly said: Said;
  /** From start to exit. */
  readonly seconds: number;
}

/** @throws when the command fails or says that something is wrong. */
async function command(...args: readonly string[]): Promise<Commanded> {
  const started = performance.now();
  const { stdout } = await execute(process.execPath, [CLI, ...args, '--json', '--quiet']);
  const seconds = (performance.now() - started) / 1000;
  const said = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Said;
  if (!said.ok) throw new Error(`mizu ${args.join(' ')}:\n${stdout}`);
  return { said, seconds };
}

export function replayed(log: string, workers: number): Promise<Commanded> {
  return command('replay', 'w1', '--log', log, '--workers', String(workers));
}

export function verified(log: string): Promise<Commanded> {
  return command('verify', 'w1', '--log', log);
}

/** Takes a folder's files out of the system's cache, so that the next to read them reads the disk. @returns whether it could. */
export function forgetCached(folder: string): boolean {
  try {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const file = join(folder, name);
      if (statSync(file).isFile()) execFileSync('dd', [`of=${file}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']);
    }
    return true;
  } catch {
    return false;
  }
}

export interface ProofCosts {
  /** The largest. */
  readonly bytes: number;
  /** Of the commands, medians. */
  readonly proveSeconds: number;
  readonly checkSeconds: number;
  /** Inside one process: the first check of all, and the median of those that follow. */
  readonly firstCheckMs: number;
  readonly checkMs: number;
}

/** Proves candidates of a run with so many tasks, and checks each proof as a command and inside this process. */
export async function provedRecords(log: string, tasks: number, verifierKey: string): Promise<ProofCosts> {
  const proofs: string[] = [];
  const [proveSeconds, checkSeconds]: [number[], number[]] = [[], []];
  for (let n = 0; n < PROOFS; n++) {
    const record = `w1/1/${Math.floor((n * tasks) / PROOFS)}.${Math.floor((n * SPREAD_OVER) / PROOFS)}`;
    const file = join(log, '..', `${n}.tlog-proof`);
    proveSeconds.push((await command('prove', record, '--log', log, '--out', file)).seconds);
    checkSeconds.push((await command('verify', file, '--verifier-key', verifierKey)).seconds);
    proofs.push(readFileSync(file, 'utf8'));
  }
  const check = (): number[] =>
    proofs.map((proof) => {
      const started = performance.now();
      verifyProof(proof, verifierKey);
      return performance.now() - started;
    });
  const [firstCheckMs = Number.NaN] = check();
  for (let n = 0; n < WARM_UP_CHECKS; n++) check();
  const checkMs = median(Array.from({ length: CHECKS }, check).flat());
  const bytes = Math.max(...proofs.map((proof) => Buffer.byteLength(proof)));
  return { bytes, proveSeconds: median(proveSeconds), checkSeconds: median(checkSeconds), firstCheckMs, checkMs };
}
