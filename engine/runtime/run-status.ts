/** Where a run stands, read from its log alone, as anyone can: nothing is written, and a live run is not disturbed. */
import type { Log } from '../contract/log.ts';
import type { Totals } from '../dispatch/control-entry.ts';
import { decodeResult, readEntry } from '../dispatch/control-entry.ts';
import { ControlTail } from './control-tail.ts';
import type { DeployedRun } from './deploy.ts';
import { readAll } from './log-cursor.ts';
import { ownerLives } from './live-run.ts';
import { RunTotals } from './run-totals.ts';
import { type RunSummary, readSummary } from './summary.ts';
import { NODE_LIMIT, RunTopics } from './topics.ts';

export interface RunStatus {
  readonly name: string;
  readonly generation: number;
  readonly program: string;
  /** `running`: its orchestrator lives on this machine. `unfinished`: begun, not closed, and no live owner was seen here. */
  readonly state: 'deployed' | 'running' | 'unfinished' | 'finished';
  /** Process that ran it last, HOST:PID; empty before the first. */
  readonly owner: string;
  /** Exact count asked for; null where there is none. */
  readonly wanted: number | null;
  readonly tasks: { readonly cut: number; readonly published: number };
  readonly totals: Readonly<Totals>;
  /** Once the run is closed. */
  readonly summary: RunSummary | undefined;
}

/** Folds control and accepted results. Memory is bounded by the tasks in flight. */
export async function readStatus(log: Log, deployed: DeployedRun): Promise<RunStatus> {
  const { run, program, digest } = deployed;
  const topics = new RunTopics(run);
  const control = new ControlTail(log, topics.control);
  const acceptedAttempts = new Map<number, number>();
  control.listen((body) => {
    if (body.type === 'accept' && !acceptedAttempts.has(body.k)) acceptedAttempts.set(body.k, body.attempt);
  });
  await control.catchUp();
  const { fold } = control;
  const base = { name: run.name, generation: run.generation, program: digest, owner: fold.owner, wanted: program.accept ?? null };
  if (fold.close !== undefined) {
    const summary = readSummary(fold.close.summary);
    const published = (fold.finish?.last ?? -1) + 1;
    return { ...base, state: 'finished', tasks: { cut: fold.nextCut, published }, totals: totalsOf(summary), summary };
  }
  const totals = new RunTotals(program);
  for (let node = 0; node < NODE_LIMIT; node++) {
    for await (const entry of readAll(log, topics.results, node)) {
      const { body } = readEntry(decodeResult, topics.results, node, entry);
      if (body.type === 'step') totals.addStep(body);
      else if (body.type === 'task' && acceptedAttempts.get(body.k) === body.attempt) totals.addTask(body);
    }
  }
  const state = fold.opens === 0 ? 'deployed' : ownerLives(fold.owner) ? 'running' : 'unfinished';
  return { ...base, state, tasks: { cut: fold.nextCut, published: totals.published }, totals: totals.sum, summary: undefined };
}

function totalsOf(summary: RunSummary): Totals {
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
