/**
 * The oracle: a workflow over the whole list of its candidates, in memory, one step after the other. It knows no partitions, blocks, frames
 * or workers, so whatever they do to the engine's result shows as a difference. What a step does to one record: oracle-ops.ts.
 */
import { seededDraws } from '../../engine/datavm/draws.ts';
import type { OpContext, PlainRow, PlainStep, PlainValue } from './oracle-ops.ts';
import { JUDGING_OPS, smallerSteps } from './oracle-judges.ts';
import { CORRECTING, PLAIN_OPS } from './oracle-ops.ts';
import { coverageReport, distinctReport, quotaReport } from './oracle-reports.ts';

/** A line of the source, and what reading it must give. */
export interface SourceLine {
  readonly line: string;
  readonly expected: PlainRow | { readonly code: string };
}

/** A workflow as data, from which the workflow file and the oracle's result are made. */
export interface PlainWorkflow {
  readonly seed: number | string;
  readonly accept?: number;
  readonly budget?: number;
  readonly taskSize: number;
  readonly block: number;
  readonly partitions: number;
  readonly data: { readonly [name: string]: readonly PlainValue[] };
  readonly source?: readonly SourceLine[];
  /** Id of the step that reads the source. */
  readonly readId: string;
  readonly generate: readonly PlainStep[];
  readonly verify: readonly PlainStep[];
  /** Default: all fields. */
  readonly publish?: readonly string[];
}

export interface PlainDrop {
  /** k.i */
  readonly id: string;
  readonly kind: 'rejected' | 'failed' | 'duplicate';
  readonly step: string;
  readonly measured?: string | number;
  readonly limit?: string | number;
  readonly code?: string;
  /** k.i of the record that won. */
  readonly winner?: string;
  /** The record before the step that dropped it; the line, where reading it failed. */
  readonly before: PlainRow | string;
}

export interface StepCounts {
  in: number;
  kept: number;
  changed: number;
  rejected: number;
  failed: number;
  duplicates: number;
  flagged: number;
}

export interface OracleResult {
  readonly reason: 'accepted' | 'exhausted';
  readonly candidates: number;
  readonly published: readonly { readonly id: string; readonly row: PlainRow }[];
  readonly drops: readonly PlainDrop[];
  readonly accepted: number;
  /** Candidates that a correcting step before the first shuffle changed. */
  readonly corrected: number;
  readonly rejected: { readonly [step: string]: number };
  readonly duplicates: number;
  readonly failed: number;
  readonly reports: { readonly [step: string]: unknown };
  /** What the leaves of each step must add up to. */
  readonly steps: { readonly [step: string]: StepCounts };
}

const GLOBAL: readonly string[] = ['count', 'summary', 'sample', 'coverage', 'distinct', 'quota'];
/** Change nothing and drop nothing. */
const WATCHING: readonly string[] = GLOBAL.filter((op) => op !== 'quota');

interface Candidate {
  readonly k: number;
  readonly i: number;
  readonly row: PlainRow;
}

class Oracle {
  private readonly workflow: PlainWorkflow;
  private readonly published: { id: string; row: PlainRow }[] = [];
  private readonly drops: PlainDrop[] = [];
  private readonly steps: { [step: string]: StepCounts } = {};
  /** By dedup step: key → k.i of the first record that had it. */
  private readonly seen = new Map<string, Map<string, string>>();
  /** By global step: the records that came. */
  private readonly reached = new Map<string, Candidate[]>();
  private readonly corrected = new Set<number>();
  private accepted = 0;

  constructor(workflow: PlainWorkflow) {
    this.workflow = workflow;
  }

  run(): OracleResult {
    const { accept, budget, source, taskSize } = this.workflow;
    const total = Math.min(budget ?? Number.POSITIVE_INFINITY, source?.length ?? Number.POSITIVE_INFINITY);
    let candidates = 0;
    for (let k = 0; candidates < total && (accept === undefined || this.accepted < accept); k++) {
      const first = candidates;
      candidates = Math.min(total, first + taskSize);
      this.task(k, candidates - first);
    }
    const count = (kind: PlainDrop['kind']): number => this.drops.filter((drop) => drop.kind === kind).length;
    const rejected: { [step: string]: number } = {};
    for (const { kind, step } of this.drops) {
      const name = step === 'accept' ? 'over count' : step;
      if (kind === 'rejected') rejected[name] = (rejected[name] ?? 0) + 1;
    }
    return {
      reason: accept !== undefined && this.accepted >= accept ? 'accepted' : 'exhausted',
      candidates,
      published: this.published,
      drops: this.drops,
      accepted: this.published.length,
      corrected: this.corrected.size,
      rejected,
      duplicates: count('duplicate'),
      failed: count('failed'),
      reports: this.reports(),
      steps: this.steps,
    };
  }

  private task(k: number, size: number): void {
    const { workflow } = this;
    const dropsBefore = this.drops.length;
    let live = Array.from({ length: size }, (_, i): Candidate => ({ k, i, row: {} }));
    if (workflow.source !== undefined) live = this.read(live, workflow.source);
    const steps = [...workflow.generate, ...workflow.verify].flatMap(smallerSteps);
    const acceptAt = this.acceptAt(steps);
    const shuffledAt = steps.findIndex((step) => step.op === 'dedup' || GLOBAL.includes(step.op));
    steps.forEach((step, at) => {
      if (at === acceptAt) live = this.cut(live);
      if (step.op === 'dedup') live = this.dedup(live, step);
      else if (step.op === 'quota') live = this.quota(live, step);
      else if (GLOBAL.includes(step.op)) this.note(live, step);
      else live = this.rowStep(live, step, shuffledAt < 0 || at < shuffledAt);
    });
    if (acceptAt === steps.length) live = this.cut(live);
    const names = workflow.publish;
    for (const { i, row } of live) {
      this.published.push({
        id: `${k}.${i}`,
        row: names === undefined ? row : Object.fromEntries(names.map((name) => [name, row[name] ?? null])),
      });
    }
    const own = this.drops.splice(dropsBefore);
    this.drops.push(...own.sort((a, b) => Number(a.id.split('.')[1]) - Number(b.id.split('.')[1])));
  }

  /** Before which step the exact count stands: behind the last one that looks at single records or drops any. −1: there is none. */
  private acceptAt(steps: readonly PlainStep[]): number {
    if (this.workflow.accept === undefined) return -1;
    return steps.findLastIndex((step) => !WATCHING.includes(step.op)) + 1;
  }

  private read(live: readonly Candidate[], source: readonly SourceLine[]): Candidate[] {
    const { readId, taskSize } = this.workflow;
    return this.each(live, readId, ({ k, i }) => {
      const line = source[k * taskSize + i];
      if (line === undefined) throw new RangeError(`the source has no line ${k * taskSize + i}`);
      if (typeof line.expected['code'] === 'string') return { drop: { kind: 'failed', code: line.expected['code'], before: line.line } };
      return { row: line.expected as PlainRow };
    });
  }

  private rowStep(live: readonly Candidate[], step: PlainStep, beforeShuffle: boolean): Candidate[] {
    const op = PLAIN_OPS[step.op] ?? JUDGING_OPS[step.op];
    if (op === undefined) throw new RangeError(`the oracle knows no '${step.op}'`);
    const { seed, data, taskSize } = this.workflow;
    return this.each(live, step.id, ({ k, i, row }, counts) => {
      const context: OpContext = { seed, data, candidate: k * taskSize + i };
      const verdict = op(row, step, context);
      const before = row;
      if (verdict.kind === 'failed') return { drop: { kind: 'failed', code: verdict.code, before } };
      if (verdict.kind === 'rejected' && !step.flag) {
        const { row: _, ...why } = verdict;
        return { drop: { ...why, before } };
      }
      if (verdict.kind === 'rejected') {
        counts.flagged++;
        return { row: withFlags(row, verdict.row ?? row, [...flagsOf(row), step.id]) };
      }
      const changed = Object.keys(row).some(
        (name) => !name.startsWith('$') && JSON.stringify(row[name]) !== JSON.stringify(verdict.row[name]),
      );
      if (changed) counts.changed++;
      if (changed && beforeShuffle && CORRECTING.includes(step.op)) this.corrected.add(context.candidate);
      return { row: step.flag ? withFlags(row, verdict.row, flagsOf(row)) : verdict.row };
    });
  }

  private dedup(live: readonly Candidate[], step: PlainStep): Candidate[] {
    const seen = this.seen.get(step.id) ?? new Map<string, string>();
    this.seen.set(step.id, seen);
    const by = step.params['by'];
    return this.each(live, step.id, ({ k, i, row }) => {
      const names = Array.isArray(by) && by.length > 0 ? by.map(String) : Object.keys(row);
      const key = JSON.stringify(names.map((name) => row[name]));
      const winner = seen.get(key);
      if (winner !== undefined) return { drop: { kind: 'duplicate', winner, before: row } };
      seen.set(key, `${k}.${i}`);
      return { row };
    });
  }

  private cut(live: readonly Candidate[]): Candidate[] {
    const limit = this.workflow.accept ?? 0;
    let place = this.accepted;
    const rest = this.each(live, 'accept', ({ row }) => {
      place++;
      return place > limit ? { drop: { kind: 'rejected', measured: place, limit, before: row } } : { row };
    });
    this.accepted += rest.length;
    return rest;
  }

  /** So many records of each category, and no more. */
  private quota(live: readonly Candidate[], step: PlainStep): Candidate[] {
    const kept = this.reached.get(step.id) ?? [];
    this.reached.set(step.id, kept);
    const { by, counts = {}, each } = step.params;
    return this.each(live, step.id, (candidate) => {
      const category = String(candidate.row[String(by)]);
      const limit = (counts as { readonly [category: string]: number })[category] ?? Number(each ?? 0);
      const place = kept.filter(({ row }) => String(row[String(by)]) === category).length + 1;
      if (place > limit) return { drop: { kind: 'rejected', measured: place, limit, before: candidate.row } };
      kept.push(candidate);
      return { row: candidate.row };
    });
  }

  private note(live: readonly Candidate[], step: PlainStep): void {
    this.reached.set(step.id, [...(this.reached.get(step.id) ?? []), ...live]);
    this.each(live, step.id, ({ row }) => ({ row }));
  }

  /** Asks for the fate of each record, counts it, and gives those that are left. */
  private each(
    live: readonly Candidate[],
    step: string,
    fate: (candidate: Candidate, counts: StepCounts) => { readonly row: PlainRow } | { readonly drop: Omit<PlainDrop, 'id' | 'step'> },
  ): Candidate[] {
    const counts = this.steps[step] ?? { in: 0, kept: 0, changed: 0, rejected: 0, failed: 0, duplicates: 0, flagged: 0 };
    this.steps[step] = counts;
    const left: Candidate[] = [];
    for (const candidate of live) {
      counts.in++;
      const result = fate(candidate, counts);
      if ('row' in result) {
        counts.kept++;
        left.push({ ...candidate, row: result.row });
      } else {
        counts[result.drop.kind === 'duplicate' ? 'duplicates' : result.drop.kind]++;
        this.drops.push({ id: `${candidate.k}.${candidate.i}`, step, ...result.drop });
      }
    }
    return left;
  }

  private reports(): { [step: string]: unknown } {
    const reports: { [step: string]: unknown } = {};
    for (const step of this.workflow.verify) {
      const records = this.reached.get(step.id) ?? [];
      if (step.op === 'count') reports[step.id] = countReport(records, step);
      if (step.op === 'summary') reports[step.id] = summaryReport(records, step);
      const rows = records.map(({ row }) => row);
      if (step.op === 'quota') reports[step.id] = quotaReport(rows, step);
      if (step.op === 'coverage') reports[step.id] = coverageReport(rows, step, this.workflow.data);
      if (step.op === 'distinct') reports[step.id] = distinctReport(rows, step);
      if (step.op === 'sample') reports[step.id] = sampleReport(records, step, this.workflow.seed);
    }
    return reports;
  }
}

/** The first step that flags makes the field, before its own. */
function withFlags(before: PlainRow, after: PlainRow, flags: readonly PlainValue[]): PlainRow {
  const known = Object.entries({ ...before, flags }).filter(([name]) => name === 'flags' || name in after);
  return { ...Object.fromEntries(known), ...after, flags };
}

function flagsOf(row: PlainRow): readonly PlainValue[] {
  return Array.isArray(row['flags']) ? row['flags'] : [];
}

function countReport(records: readonly Candidate[], { params }: PlainStep): unknown {
  const { by } = params;
  if (typeof by !== 'string') return { total: records.length };
  const groups: { [name: string]: number } = {};
  for (const { row } of records) groups[String(row[by])] = (groups[String(row[by])] ?? 0) + 1;
  return { total: records.length, groups, other: 0 };
}

/** 2^60: doubles of the tests are whole multiples of 2^−60, so their sum is exact as an integer. */
const SUM_SCALE = 2 ** 60;

function summaryReport(records: readonly Candidate[], { params }: PlainStep): unknown {
  const values = records.flatMap(({ row }) => {
    const value = row[String(params['field'])];
    return typeof value === 'number' ? [value] : [];
  });
  const exact = values.reduce((sum, value) => sum + BigInt(value * SUM_SCALE), 0n);
  const sum = Number(exact) / SUM_SCALE;
  const some = values.length > 0;
  return {
    count: values.length,
    nulls: records.length - values.length,
    min: some ? Math.min(...values) : null,
    max: some ? Math.max(...values) : null,
    sum: some ? sum : null,
    mean: some ? sum / values.length : null,
  };
}

function sampleReport(records: readonly Candidate[], { id, params }: PlainStep, seed: number | string): unknown {
  const draws = seededDraws(seed, id);
  const ranked = records.map(({ k, i }) => ({ name: `${k}.${i}`, hash: Buffer.from(draws.bytes(k, 'sample', i)).toString('hex') }));
  ranked.sort((a, b) => (a.hash < b.hash ? -1 : 1));
  const chosen = ranked.slice(0, Number(params['size'])).map(({ name }) => name);
  return { size: chosen.length, of: records.length, records: chosen };
}

export function runOracle(workflow: PlainWorkflow): OracleResult {
  return new Oracle(workflow).run();
}
