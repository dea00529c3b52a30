/**
 * Follows a run by reading its control log and what its members report, as anyone can from any machine; writes nothing. Control is read once, from its begin: what each member did and lost stands
 * there alone. Results are read from the newest mark on only, which holds the totals of all that came before (P14). Memory is bounded by the tasks that are not complete (law 6).
 */
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { ControlBody, Mark } from '../dispatch/control-entry.ts';
import type { ResultBody, TaskResult } from '../dispatch/member-entry.ts';
import { decodeResult, readEntry } from '../dispatch/signed-entry.ts';
import { whyUnassigned } from '../dispatch/why-unassigned.ts';
import { parseCheckpoint } from '../proof/checkpoint.ts';
import { fromUtf8 } from '../proof/sha256.ts';
import { ControlTail } from './control-tail.ts';
import { lastEntry } from './last-entry.ts';
import { orchestratorLives, ownerGone } from './live-run.ts';
import { LogCursor } from './log-cursor.ts';
import { MemberTally } from './member-tally.ts';
import { inferenceEstimate, inferenceTotals } from './inference-totals.ts';
import type { DeployedRun } from './read-run.ts';
import { candidateLimit, TICK_MS } from './run-context.ts';
import { RunPace } from './run-pace.ts';
import type { RunStatus, StatusOptions } from './run-status.ts';
import { RunTotals } from './run-totals.ts';
import { SourceLag } from './source-status.ts';
import { StageProgress } from './stage-progress.ts';
import type { RunSummary } from './summary.ts';
import { readSummary } from './summary.ts';
import { taskNeeds } from './task-needs.ts';
import { RunTopics } from './topics.ts';

/** Control that has not moved for so long has no orchestrator, milliseconds: one that lives ticks every TICK_MS. */
const SILENCE_MS = 5 * TICK_MS;

export class RunWatch {
  private readonly log: Log;
  private readonly run: DeployedRun;
  private readonly topics: RunTopics;
  private readonly signal: AbortSignal;
  private readonly control: ControlTail;
  private readonly results: LogCursor[] = [];
  private readonly totals: RunTotals;
  private readonly tally: MemberTally;
  private readonly stages: StageProgress;
  private readonly pace = new RunPace();
  private readonly source: SourceLag;
  private mark: Mark | undefined;
  /** Accepted attempts, and results that wait to be accepted, of tasks that are not complete. */
  private readonly accepted = new Map<number, number>();
  private readonly waiting = new Map<number, TaskResult[]>();
  /** What stood on the log before this reader came is old, whenever it was written. */
  private fresh = false;
  private alive = false;

  private constructor(log: Log, run: DeployedRun, options: StatusOptions) {
    this.log = log;
    this.run = run;
    this.topics = new RunTopics(run.run);
    this.signal = options.signal;
    this.control = new ControlTail(log, this.topics.control);
    this.totals = new RunTotals(run.program, (node) => this.control.fold.nameOf(node));
    this.stages = new StageProgress(run.program, this.control.fold, this.totals);
    this.tally = new MemberTally(this.control.fold, this.totals, this.stages);
    this.source = new SourceLag(log, this.topics, run, options.openExternal);
    this.control.listen((body) => this.hear(body));
  }

  /** Reads what there is. */
  static async open(log: Log, run: DeployedRun, options: StatusOptions): Promise<RunWatch> {
    const self = new RunWatch(log, run, options);
    await self.refresh();
    self.fresh = true;
    return self;
  }

  get closed(): boolean {
    return this.control.fold.close !== undefined;
  }

  /** Finds out whether an orchestrator works on the run, by waiting for its next entry where that is not known. */
  async observe(): Promise<void> {
    const { fold } = this.control;
    if (fold.close !== undefined) return;
    this.alive = await orchestratorLives(this.log, this.topics.control, fold.owner, this.signal);
    if (this.alive) await this.refresh();
  }

  /** Waits until the run moves, or for so long that an orchestrator would have; then reads on. False when the signal aborts. */
  async next(): Promise<boolean> {
    const moved = await this.control.turn(AbortSignal.any([this.signal, AbortSignal.timeout(SILENCE_MS)]));
    if (this.signal.aborted) return false;
    this.alive = moved && !ownerGone(this.control.fold.owner);
    await this.refresh();
    return true;
  }

  async status(): Promise<RunStatus> {
    const { fold } = this.control;
    const { program, digest, deployment, run } = this.run;
    const summary = fold.close === undefined ? undefined : readSummary(fold.close.summary);
    const limit = candidateLimit(program);
    return {
      name: run.name,
      generation: run.generation,
      program: digest,
      state: this.state,
      mode: fold.mode,
      modeBy: fold.modeBy,
      owner: fold.owner,
      opens: fold.opens,
      tick: fold.tick,
      wanted: program.accept ?? null,
      limit: Number.isFinite(limit) ? limit : null,
      tasks: { cut: fold.nextCut, published: summary === undefined ? this.totals.published : (fold.finish?.last ?? -1) + 1 },
      totals: summary === undefined ? { ...this.totals.sum, rejected: { ...this.totals.sum.rejected } } : totalsOf(summary),
      inference: summary?.inference ?? inferenceTotals(program, deployment, this.totals.sum.usage),
      estimate: summary === undefined ? (inferenceEstimate(program, deployment, this.totals.sum) ?? null) : null,
      rate: summary === undefined ? (this.pace.rate ?? null) : null,
      stages: this.stages.stages,
      members: summary === undefined ? this.tally.members : [],
      employed: fold.settings?.nodes ?? deployment.nodes,
      losses: this.tally.losses,
      failures: this.tally.failures,
      copies: { ...fold.copies },
      unequal: [...fold.unequal],
      waiting: summary === undefined ? (whyUnassigned(fold, { needs: taskNeeds(program) }) ?? null) : null,
      signed: summary?.treeSize ?? (await this.signed()),
      source: await this.source.status(fold),
      summary,
    };
  }

  close(): Promise<void> {
    return this.source.close();
  }

  private get state(): RunStatus['state'] {
    const { fold } = this.control;
    if (fold.close !== undefined) return 'finished';
    if (fold.opens === 0) return 'deployed';
    return this.alive ? 'running' : 'unfinished';
  }

  private hear(body: ControlBody): void {
    if (body.type === 'accept' && !this.accepted.has(body.k)) this.accept(body.k, body.attempt);
    if (body.type === 'mark') this.goOn(body);
    this.tally.take(body);
    this.stages.take(body);
    this.pace.take(body);
  }

  private accept(k: number, attempt: number): void {
    if (k < this.totals.published) return;
    this.accepted.set(k, attempt);
    this.pace.accepted(this.control.fold.tasks.get(k)?.cut.count ?? 0);
    for (const result of this.waiting.get(k) ?? []) this.takeTask(result);
    this.waiting.delete(k);
  }

  private goOn(mark: Mark): void {
    this.mark = mark;
    if (mark.published > this.totals.published) this.totals.goOn(mark);
    for (const k of this.accepted.keys()) if (k < mark.published) this.accepted.delete(k);
    for (const k of this.waiting.keys()) if (k < mark.published) this.waiting.delete(k);
  }

  /** Results are read after control, so the first look begins at the newest mark; what is accepted meanwhile is seen the next time. */
  private async refresh(): Promise<void> {
    await this.control.catchUp();
    const { log, topics } = this;
    for (let node = this.results.length; node < this.control.fold.nodes; node++)
      this.results.push(new LogCursor(log, topics.results, node, offset(this.fresh ? 0 : (this.mark?.results[node] ?? 0))));
    for (const cursor of this.results) {
      for (let entry = await cursor.take(); entry !== undefined; entry = await cursor.take())
        this.take(readEntry(decodeResult, cursor.topic, cursor.partition, entry).body);
    }
  }

  private take(body: ResultBody): void {
    this.tally.hear(body, this.fresh);
    if (body.type === 'step') {
      this.totals.addStep(body);
      this.stages.step(body);
    } else if (body.type === 'task') this.takeTask(body);
  }

  private takeTask(result: TaskResult): void {
    const attempt = this.accepted.get(result.k);
    if (attempt === result.attempt) this.totals.addTask(result);
    else if (attempt === undefined && result.k >= this.totals.published)
      this.waiting.set(result.k, [...(this.waiting.get(result.k) ?? []), result]);
  }

  private async signed(): Promise<number | null> {
    const last = await lastEntry(this.log, this.topics.checkpoints, 0);
    if (last === undefined) return null;
    const [text = ''] = fromUtf8(last.value).split('\n\n');
    return Number(parseCheckpoint(`${text}\n`).size);
  }
}

/** Reads once, and writes nothing. Takes up to 2.5 ticks for a run whose orchestrator may or may not be alive. */
export async function readStatus(
  log: Log,
  deployed: DeployedRun,
  options: StatusOptions = { signal: new AbortController().signal },
): Promise<RunStatus> {
  const watch = await RunWatch.open(log, deployed, options);
  try {
    await watch.observe();
    return await watch.status();
  } finally {
    await watch.close();
  }
}

function totalsOf(summary: RunSummary): RunStatus['totals'] {
  const { candidates, accepted, corrected, duplicates, failed, rejected, gas, bytes } = summary;
  return {
    candidates,
    accepted,
    corrected,
    duplicates,
    failed,
    rejected: { ...rejected },
    gas,
    localBytes: bytes.local,
    globalBytes: bytes.global,
  };
}
