/** What a benchmark says, for people and for programs. */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { W1Verdict } from '../w1/reference.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  /** Versions of broker and peer, where they take part. */
  readonly kafka?: string;
}

export type Figures = { readonly [name: string]: number | undefined };

/** One engine's part in a benchmark: medians over the repetitions, and the verdict on all of them. */
export interface Side {
  readonly name: string;
  readonly recordsPerSecond?: number | undefined;
  /** Engine and broker. */
  readonly cpuSecondsPerMillion?: number | undefined;
  readonly figures: Figures;
  readonly exact?: W1Verdict | undefined;
}

/** A series in MB: medians of the thirds of the time, slope and peak. */
export interface Part {
  readonly name: string;
  readonly figures: Figures;
  readonly flat: boolean;
}

export interface BenchResult extends Partial<Omit<Side, 'name' | 'figures'>> {
  readonly bench: string;
  readonly machine: Machine;
  readonly repeat: number;
  /** Mizu's own figures; absent where only the peer could run. */
  readonly figures?: Figures;
  readonly peers: readonly (Side & { readonly ratio: Figures })[];
  /** What was followed over time. */
  readonly parts?: readonly Part[];
  /** Why a side is missing, or what else a reader must know. */
  readonly notes: readonly string[];
}

export function machine(kafka?: string): Machine {
  const [first] = cpus();
  return {
    cpu: modelOf() ?? first?.model ?? 'unknown',
    cores: cpus().length,
    node: process.version,
    ...(kafka === undefined ? {} : { kafka }),
  };
}

function modelOf(): string | undefined {
  try {
    return /^model name\s*:\s*(.+)$/m.exec(readFileSync('/proc/cpuinfo', 'latin1'))?.[1];
  } catch {
    return undefined;
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
}

/** The medians of several runs of one side; exact only if every run was. */
export function summarise(runs: readonly Side[]): Side {
  const [first] = runs;
  if (first === undefined) throw new Error('a side without runs');
  const medianOf = (read: (side: Side) => number | undefined): number | undefined => {
    const values = runs.map(read).filter((value) => value !== undefined);
    return values.length === 0 ? undefined : rounded(median(values));
  };
  const names = new Set(runs.flatMap((run) => Object.keys(run.figures)));
  return {
    name: first.name,
    recordsPerSecond: medianOf((side) => side.recordsPerSecond),
    cpuSecondsPerMillion: medianOf((side) => side.cpuSecondsPerMillion),
    figures: Object.fromEntries([...names].map((name) => [name, medianOf((side) => side.figures[name])])),
    exact: runs.find((run) => run.exact?.ok === false)?.exact ?? first.exact,
  };
}

export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

/** Mizu over peer, figure by figure. */
export function ratioOf(own: Side, peer: Side): Figures {
  const over = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined || b === undefined || b === 0 ? undefined : rounded(a / b);
  return {
    recordsPerSecond: over(own.recordsPerSecond, peer.recordsPerSecond),
    cpuSecondsPerMillion: over(own.cpuSecondsPerMillion, peer.cpuSecondsPerMillion),
    ...Object.fromEntries(Object.keys(own.figures).map((name) => [name, over(own.figures[name], peer.figures[name])])),
  };
}

export function tableOf(result: BenchResult): string {
  const own: Side[] = result.figures === undefined ? [] : [{ ...result, name: 'mizu', figures: result.figures }];
  const sides = [...own, ...result.peers];
  const flat = (side: Side): { readonly [name: string]: number | undefined } => ({
    'records/s': side.recordsPerSecond,
    'CPU-s per million': side.cpuSecondsPerMillion,
    ...side.figures,
  });
  const names = [...new Set(sides.flatMap((side) => Object.keys(flat(side)).filter((name) => flat(side)[name] !== undefined)))];
  const header = ['', ...sides.map((side) => side.name), ...result.peers.map((peer) => `ratio to ${peer.name}`)];
  const ratios = (name: string): string[] => result.peers.map((peer) => shown(ratioFigure(peer.ratio, name)));
  const rows = names.map((name) => [name, ...sides.map((side) => shown(flat(side)[name])), ...ratios(name)]);
  rows.push(['exact', ...sides.map((side) => verdictText(side.exact)), ...result.peers.map(() => '')]);
  const { cpu, cores, node, kafka } = result.machine;
  const title = `${result.bench} · ${cpu}, ${cores} cores · Node ${node}${kafka === undefined ? '' : ` · Kafka ${kafka}`} · median of ${result.repeat}`;
  return [title, '', ...aligned([header, ...rows]), ...partLines(result.parts ?? []), ...result.notes.map((note) => `note: ${note}`)].join(
    '\n',
  );
}

function partLines(parts: readonly Part[]): string[] {
  const [first] = parts;
  if (first === undefined) return [];
  const names = Object.keys(first.figures);
  const rows = parts.map(({ name, figures, flat }) => [name, ...names.map((figure) => shown(figures[figure])), flat ? 'yes' : 'no']);
  return ['', ...aligned([['MB', ...names, 'flat'], ...rows])];
}

function ratioFigure(ratio: Figures, name: string): number | undefined {
  if (name === 'records/s') return ratio['recordsPerSecond'];
  return name === 'CPU-s per million' ? ratio['cpuSecondsPerMillion'] : ratio[name];
}

export function shown(value: number | undefined): string {
  if (value === undefined) return '–';
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(4)));
}

function verdictText(verdict: W1Verdict | undefined): string {
  if (verdict === undefined) return '–';
  if (verdict.ok) return `yes (${verdict.outputs.toLocaleString('en')} out, ${verdict.deadLetters} dead letters)`;
  const { lost, extra, duplicates, wrongFields, deadLetters } = verdict;
  return `NO: lost ${lost}, extra ${extra}, duplicates ${duplicates}, wrong fields ${wrongFields}, dead letters ${deadLetters}`;
}

/** Columns of equal width, the first to the left. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '),
  );
}
