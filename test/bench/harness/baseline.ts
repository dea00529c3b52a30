/**
 * What a benchmark said before on this machine. A baseline is of one machine (CPU model, cores, major version of Node), one benchmark and its
 * parameters: figures of another one would say nothing. It lies in the user's cache folder, so that every clone has it and none carries it.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../../support/parts/made-once.ts';
import type { BenchOptions } from './bench.ts';
import { aligned, type BenchResult, type Figures, type Side, shown } from './result.ts';

const PERCENT = 100;
const NAME_DIGITS = 12;

export interface Baseline {
  /** What it is of, as `baselineKey` says. */
  readonly key: string;
  /** ISO 8601. */
  readonly savedAt: string;
  readonly figures: Figures;
}

export type BenchParameters = Partial<Pick<BenchOptions, 'records' | 'nodes' | 'workers' | 'rate' | 'minutes'>>;

/** Names machine, benchmark and parameters; those that were not given stand for the benchmark's own. */
export function baselineKey({ bench, machine }: Pick<BenchResult, 'bench' | 'machine'>, parameters: BenchParameters): string {
  const { cpu, cores, node } = machine;
  const { records, nodes, workers, rate, minutes } = parameters;
  return JSON.stringify({ bench, cpu, cores, node: node.split('.')[0], records, nodes, workers, rate, minutes });
}

/** Where this machine's baseline lies. */
export function baselineFile(bench: string, key: string): string {
  const digest = createHash('sha256').update(key).digest('hex').slice(0, NAME_DIGITS);
  return join(cacheFolder(), 'baselines', `${bench}-${digest}.json`);
}

/** Every figure of every side, and every ratio, under one name. */
export function figuresOf(result: BenchResult): Figures {
  const own = result.figures === undefined ? [] : figuresOfSide({ ...result, name: 'mizu', figures: result.figures });
  const peers = result.peers.flatMap((peer) => [
    ...figuresOfSide(peer),
    ...figuresOfSide({ ...peer.ratio, name: `ratio to ${peer.name}`, figures: peer.ratio }),
  ]);
  const parts = (result.parts ?? []).flatMap(figuresOfSide);
  return Object.fromEntries([...own, ...peers, ...parts].filter(([, value]) => value !== undefined));
}

function figuresOfSide(side: Omit<Side, 'exact'>): [string, number | undefined][] {
  const { recordsPerSecond, cpuSecondsPerMillion, ...others } = side.figures;
  const all = {
    'records/s': side.recordsPerSecond ?? recordsPerSecond,
    'CPU-s per million': side.cpuSecondsPerMillion ?? cpuSecondsPerMillion,
    ...others,
  };
  return Object.entries(all).map(([name, value]) => [`${side.name}: ${name}`, value]);
}

/** Figure by figure, with the change in percent; figures that only one of them has have none. */
export function differenceLines(before: Figures, now: Figures): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  const rows = names.map((name) => [name, shown(before[name]), shown(now[name]), changeOf(before[name], now[name])]);
  return aligned([['', 'baseline', 'now', 'change'], ...rows]);
}

function changeOf(before: number | undefined, now: number | undefined): string {
  if (before === undefined || now === undefined || before === 0) return '–';
  const percent = (now / before - 1) * PERCENT;
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(1)} %`;
}

/** @returns undefined where there is none. @throws for a file that is no baseline, or of something else. */
export function readBaseline(file: string, key: string): Baseline | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as { readonly code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
  const found = JSON.parse(text) as Partial<Baseline>;
  if (found.key !== key) throw new Error(`${file} is no baseline of ${key}, but of ${found.key}`);
  return { key, savedAt: found.savedAt ?? '', figures: found.figures ?? {} };
}

export function saveBaseline(file: string, baseline: Baseline): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(baseline, undefined, 2)}\n`);
}
