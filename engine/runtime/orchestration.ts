/** The orchestrator of a run with what belongs to it in one process: the planner of its cuts and, for a copied topic, the copying. */
import type { Observable } from 'rxjs';
import { defer, ignoreElements, merge, Subject, takeUntil, tap } from 'rxjs';
import type { OpenExternal } from '../contract/source.ts';
import type { ControlTail } from './control-tail.ts';
import { openCutPlanner } from './cut-planner.ts';
import { LiveIngest } from './live-ingest.ts';
import type { OrchestratorOptions, Progress } from './orchestrator.ts';
import { Orchestrator } from './orchestrator.ts';
import type { RunContext } from './run-context.ts';

export interface Orchestration {
  /** Each emission is one turn; completes when the run is closed or stopped. */
  run(): Observable<Progress>;
  readonly stopped: boolean;
  /** Offset of its last entry in control; −1 before. */
  readonly lastEntryAt: number;
  close(): Promise<void>;
}

export interface OrchestrationSource {
  /** Opens the topic that the program reads, if it reads one. */
  readonly external: OpenExternal | undefined;
  /** Copies what is missing of a finite source; until then only a process that can do that works on the run. */
  readonly copy?: ((signal: AbortSignal) => Promise<void>) | undefined;
}

/** Takes over from whoever orchestrated before. */
export async function openOrchestration(
  context: RunContext,
  control: ControlTail,
  options: Omit<OrchestratorOptions, 'planner'>,
  { external, copy }: OrchestrationSource,
): Promise<Orchestration> {
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer().catch(() => undefined);
  };
  try {
    const planner = await openCutPlanner(context, { external });
    closers.push(() => planner.close());
    const orchestrator = await Orchestrator.open(context, { ...options, planner });
    closers.push(() => orchestrator.close());
    const ingest = await LiveIngest.open(context, control, external);
    if (ingest !== undefined) closers.push(() => ingest.close());
    const copying = copy === undefined ? undefined : new Copying(copy, context.signal);
    if (copying !== undefined) closers.push(() => copying.close());
    return {
      run: () => beside(orchestrator.run(), ingest?.run() ?? copying?.run()),
      close,
      get stopped() {
        return orchestrator.stopped;
      },
      get lastEntryAt() {
        return orchestrator.lastEntryAt;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The copying of a finite source. */
class Copying {
  private readonly copy: (signal: AbortSignal) => Promise<void>;
  private readonly stop = new AbortController();
  private readonly signal: AbortSignal;
  private running: Promise<void> | undefined;

  constructor(copy: (signal: AbortSignal) => Promise<void>, signal: AbortSignal) {
    this.copy = copy;
    this.signal = AbortSignal.any([signal, this.stop.signal]);
  }

  /** Completes when everything is copied. */
  run(): Observable<void> {
    return defer(() => {
      this.running = this.copy(this.signal);
      return this.running;
    });
  }

  /** Nothing is written afterwards. */
  async close(): Promise<void> {
    this.stop.abort();
    await this.running;
  }
}

/** The copying lasts as long as the orchestrating. */
function beside(turns: Observable<Progress>, copying: Observable<unknown> | undefined): Observable<Progress> {
  if (copying === undefined) return turns;
  const done = new Subject<void>();
  return merge(turns.pipe(tap({ complete: () => done.next() })), copying.pipe(ignoreElements(), takeUntil(done)));
}
