/**
 * Says which tasks may be cut now (P7): by count for a generator and for copied files, and for a topic by what has arrived. What it says
 * becomes an input of the run once the orchestrator has written it, so a planner may look at clocks and ends of topics; it keeps nothing that
 * is not in control, and whoever takes over plans on from the fold.
 */
import type { Program } from '../contract/program.ts';
import { fileSource, topicSource } from '../contract/program.ts';
import type { OpenExternal } from '../contract/source.ts';
import type { CutEntry } from '../dispatch/control-entry.ts';
import type { ControlFold } from '../dispatch/control-fold.ts';
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import { CopiedArrivals } from './copied-arrivals.ts';
import { CopiedRecords } from './copied-records.ts';
import { ReferencedArrivals } from './referenced-arrivals.ts';
import { candidateLimit, taskLimit } from './run-context.ts';
import { openExternalSource, type SourceContext } from './source-context.ts';
import { TopicPlanner } from './topic-planner.ts';

export interface CutPlanner {
  /** Cuts of tasks fold.nextCut … limit − 1 that may be written now, in order; the caller writes all of them before it asks again. */
  due(fold: ControlFold, limit: number): Promise<readonly CutEntry[]>;
  /** Whether no task will ever be cut any more. */
  over(fold: ControlFold): boolean;
  /** Records of a finite source that are not on the log yet: before they are, the run is not closed. Looks again. */
  missing(): Promise<number>;
  /** Resolves when `due` may give more than it last gave, or when the signal aborts. One call may outlive many calls of `due`. */
  wait(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface CutPlannerOptions {
  /** Opens topics that are read by reference. */
  readonly external?: OpenExternal | undefined;
  /** Tells how long records have waited; default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** Records wait this long for a full task when the author gives no `task.every`: most of a second's latency is spent elsewhere. */
const DEFAULT_CUT_EVERY_MS = 200;

/** @throws what opening the external topic throws. */
export async function openCutPlanner(context: SourceContext, options: CutPlannerOptions = {}): Promise<CutPlanner> {
  const { program, deployment } = context;
  const source = topicSource(program);
  if (source === undefined) return new CountPlanner(program, copiedRecords(context));
  const clock = options.clock ?? systemClock;
  const bounded = source.until !== undefined;
  return new TopicPlanner({
    arrivals:
      source.ingest === 'copy'
        ? new CopiedArrivals(context.log, context.topics.source)
        : new ReferencedArrivals(await openExternalSource(context, options.external), context.source, clock),
    size: program.task.size,
    candidates: candidateLimit(program),
    everyMs: bounded ? undefined : (deployment.cutEveryMs ?? DEFAULT_CUT_EVERY_MS),
    clock,
  });
}

function copiedRecords({ log, topics, program }: SourceContext): CopiedRecords | undefined {
  const files = fileSource(program);
  return files === undefined ? undefined : new CopiedRecords(log, topics.source, files.records);
}

/** A generator, of which everything may be cut at once, or files whose number of records is known: what is copied may be cut. */
class CountPlanner implements CutPlanner {
  private readonly program: Program;
  private readonly copied: CopiedRecords | undefined;

  constructor(program: Program, copied: CopiedRecords | undefined) {
    this.program = program;
    this.copied = copied;
  }

  async due(fold: ControlFold, limit: number): Promise<readonly CutEntry[]> {
    const { size } = this.program.task;
    const there = (await this.copied?.refresh(limit * size)) ?? Number.POSITIVE_INFINITY;
    const cuts: CutEntry[] = [];
    for (let k = fold.nextCut; k < Math.min(limit, taskLimit(this.program)); k++) {
      const cut = this.cut(k, size);
      if (cut.first + cut.count > there) break;
      cuts.push(cut);
    }
    return cuts;
  }

  over(fold: ControlFold): boolean {
    return fold.nextCut >= taskLimit(this.program);
  }

  async missing(): Promise<number> {
    await this.copied?.refresh();
    return this.copied?.missing ?? 0;
  }

  wait(signal: AbortSignal): Promise<void> {
    if (this.copied !== undefined && this.copied.missing > 0) return this.copied.wait(signal);
    return new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  async close(): Promise<void> {}

  private cut(k: number, size: number): CutEntry {
    const first = k * size;
    const count = Math.min(size, candidateLimit(this.program) - first);
    const ranges = this.program.source === undefined ? [] : ([[0, first, first + count]] as const);
    return { type: 'cut', k, branch: 0, first, count, ranges };
  }
}
