/** The metrics of the table, registered, with one way to write to each; remembers the series of each run, so that they can be forgotten with it. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { invariant } from '#engine';
import { LabelLimits, OTHER, RUN_LIMIT } from './label-limits.ts';
import type { MetricName, MetricSpec } from './metric-table.ts';
import { METRICS } from './metric-table.ts';

export type Labels = Readonly<Record<string, string>>;

type Metric = Counter | Gauge | Histogram;

interface RunSeries {
  ended: boolean;
  /** Metric and labels of each series, by their text. */
  readonly series: Map<string, readonly [metric: Metric, labels: Labels]>;
  /** Counters that are told as totals: what they stand at, by series; kept while the series is not shown. */
  readonly totals: Map<string, number>;
}

export class Families {
  readonly registry = new Registry();
  private readonly metrics = new Map<MetricName, Metric>();
  private readonly limits = new LabelLimits();
  /** In order of first use. */
  private readonly runs = new Map<string, RunSeries>();

  /** @param member name of the process, a label of every series. @param beforeScrape called at each scrape, for what is only known then. */
  constructor(member: string, beforeScrape: () => void) {
    this.registry.setDefaultLabels({ member });
    collectDefaultMetrics({ register: this.registry });
    for (const [name, spec] of Object.entries(METRICS) as [MetricName, MetricSpec][]) {
      const { help, labels, kind, buckets } = spec;
      const common = { name: spec.name, help, labelNames: [...labels], registers: [this.registry] };
      if (kind === 'counter') this.metrics.set(name, new Counter(common));
      else if (kind === 'histogram') this.metrics.set(name, new Histogram({ ...common, buckets: [...(buckets ?? [])] }));
      else this.metrics.set(name, new Gauge({ ...common, ...(name === 'silence' ? { collect: beforeScrape } : {}) }));
    }
  }

  add(name: MetricName, labels: Labels, by = 1): void {
    const { metric, values } = this.series(name, labels);
    if (metric instanceof Histogram) metric.observe(values, by);
    else metric.inc(values, by);
  }

  set(name: MetricName, labels: Labels, value: number): void {
    const { metric, values } = this.series(name, labels);
    if (metric instanceof Gauge) metric.set(values, value);
  }

  observe(name: MetricName, labels: Labels, value: number): void {
    this.add(name, labels, value);
  }

  /** Brings a counter to what somebody else has counted. It never goes back, though who counts anew may have to catch up first. */
  total(name: MetricName, labels: Labels, value: number): void {
    const { values, text, run, fresh } = this.series(name, labels);
    const before = run.totals.get(text) ?? 0;
    const now = Math.max(before, value);
    run.totals.set(text, now);
    this.add(name, values, fresh ? now : now - before);
  }

  /** Removes the series of one metric whose labels these are. */
  remove(name: MetricName, labels: Labels): void {
    const { metric, values, text, run } = this.series(name, labels);
    run.series.delete(text);
    metric.remove(values);
  }

  /** Removes every series of these metrics in the run. */
  clear(name: string, ...names: readonly MetricName[]): void {
    const run = this.runs.get(name);
    if (run === undefined) return;
    const metrics = names.map((one) => this.metrics.get(one));
    for (const [text, [metric, labels]] of run.series) {
      if (!metrics.includes(metric)) continue;
      metric.remove(labels);
      run.series.delete(text);
    }
  }

  /** Nothing more comes of the run: it may be forgotten when others need its place. */
  ended(name: string, ended: boolean): void {
    const run = this.runs.get(name);
    if (run !== undefined) run.ended = ended;
  }

  /** `fresh`: it is shown for the first time, or again. */
  private series(name: MetricName, labels: Labels): { metric: Metric; values: Labels; text: string; run: RunSeries; fresh: boolean } {
    const metric = this.metrics.get(name);
    invariant(metric !== undefined, `metric '${name}' is in the table`);
    const runName = labels['run'] === undefined ? '' : this.runFor(labels['run']);
    const values: Record<string, string> = {};
    for (const [label, value] of Object.entries(labels)) values[label] = label === 'run' ? runName : this.limits.bounded(label, value);
    const text = `${name} ${Object.values(values).join(' ')}`;
    const run = this.seriesOf(runName);
    const fresh = !run.series.has(text);
    run.series.set(text, [metric, values]);
    return { metric, values, text, run, fresh };
  }

  private seriesOf(name: string): RunSeries {
    const run = this.runs.get(name) ?? { ended: false, series: new Map(), totals: new Map() };
    this.runs.set(name, run);
    return run;
  }

  /** The run itself, if it has a place; a new one takes that of the run that ended first. */
  private runFor(name: string): string {
    if (name === '' || this.runs.has(name)) return name;
    // The series without a run, and those of OTHER, are no run's.
    if (this.runs.size < RUN_LIMIT + 2) return name;
    const [oldest, run] = [...this.runs].find(([, { ended }]) => ended) ?? [];
    if (oldest === undefined || run === undefined) return OTHER;
    for (const [metric, labels] of run.series.values()) metric.remove(labels);
    this.runs.delete(oldest);
    return name;
  }
}
