/** The sums of a run: every candidate accounted for (law 5, P16), the end that the program prescribes (P4), and the run's own summary. */
import { messageOf } from '../contract/errors.ts';
import type { Usage } from '../contract/inference.ts';
import type { Log } from '../contract/log.ts';
import { type Program, topicSource } from '../contract/program.ts';
import { OVER_COUNT } from '../datavm/accept-op.ts';
import type { FinishReason } from '../dispatch/finish-reasons.ts';
import { decodeControl } from '../dispatch/signed-entry.ts';
import { canonicalJson } from '../proof/jcs.ts';
import type { InferenceTotals } from '../runtime/inference-totals.ts';
import { inferenceTotals } from '../runtime/inference-totals.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { candidateLimit } from '../runtime/run-context.ts';
import { lastEntry } from '../runtime/last-entry.ts';
import { readSummary } from '../runtime/summary.ts';
import type { RunTopics } from '../runtime/topics.ts';
import type { CheckedGroup } from './check-leaves.ts';
import type { Report } from './report.ts';
import type { PublishedTask } from './topic-merge.ts';

/** Step id of the exact count in leaves: no author's step may have it. */
const ACCEPT_STEP = 'accept';

export class Tally {
  candidates = 0;
  accepted = 0;
  duplicates = 0;
  failed = 0;
  readonly rejected: Record<string, number> = {};
  gas = 0;
  frames = 0;

  /** A task whose published records are not all there: what its leaves count. */
  addLeaves(groups: readonly CheckedGroup[]): void {
    for (const { leaves } of groups) {
      for (const { step, counts, gas } of leaves) {
        this.gas += gas;
        if (step === 'source') this.candidates += counts.in;
        if (step === 'publish') this.accepted += counts.kept;
        this.duplicates += counts.duplicates;
        this.failed += counts.failed;
        const name = step === ACCEPT_STEP ? OVER_COUNT : step;
        if (counts.rejected > 0) this.rejected[name] = (this.rejected[name] ?? 0) + counts.rejected;
      }
    }
  }

  /** `candidates`: as they were cut. */
  add(candidates: number, groups: readonly CheckedGroup[], parts: readonly PublishedTask[]): void {
    this.candidates += candidates;
    for (const { leaves } of groups) for (const leaf of leaves) this.gas += leaf.gas;
    for (const { records, drops } of parts) {
      this.accepted += records.length;
      for (const drop of drops) {
        if (drop.kind === 'duplicate') this.duplicates++;
        else if (drop.kind === 'failed') this.failed++;
        else {
          const name = drop.rule === OVER_COUNT ? OVER_COUNT : drop.step;
          this.rejected[name] = (this.rejected[name] ?? 0) + 1;
        }
      }
    }
  }
}

/** `reason`: why the run ended; undefined while it goes on. */
export function checkEnd(program: Program, reason: FinishReason | undefined, tally: Tally, report: Report): void {
  const rejected = Object.values(tally.rejected).reduce((sum, count) => sum + count, 0);
  if (tally.candidates !== tally.accepted + rejected + tally.duplicates + tally.failed) {
    report(
      'counts',
      `${tally.candidates} candidates are not ${tally.accepted} accepted + ${rejected} rejected + ${tally.duplicates} duplicates + ${tally.failed} failed`,
    );
  }
  const limit = candidateLimit(program);
  const wanted = program.accept;
  if (reason === 'accepted' && tally.accepted !== wanted) {
    report('counts', `the run says that it reached the exact count of ${wanted ?? '(none)'}, and ${tally.accepted} records are published`);
  }
  if (reason === 'exhausted' && topicSource(program) === undefined && tally.candidates !== limit) {
    report('counts', `the run says that it used up its ${limit} candidates, and ${tally.candidates} are in the tree`);
  }
  if (reason === 'exhausted' && wanted !== undefined && tally.accepted >= wanted) {
    report('counts', `the run says that it used up its candidates, but it reached the exact count of ${wanted}`);
  }
}

/** The run's own summary, its last control entry, must say what the log shows. */
export async function checkSummary(
  { log, topics, program, deployment }: Pick<DeployedRun, 'program' | 'deployment'> & { readonly log: Log; readonly topics: RunTopics },
  tally: Tally,
  tree: { readonly size: number; readonly root: string },
  usage: Usage,
  report: Report,
): Promise<void> {
  const last = await lastEntry(log, topics.control, 0);
  try {
    const body = last === undefined ? undefined : decodeControl(last.value).body;
    if (body?.type !== 'close') {
      report('summary', 'the run is not closed: its last control entry is no summary');
      return;
    }
    const said = readSummary(body.summary);
    const { candidates, accepted, duplicates, failed, rejected, gas } = tally;
    const seen = { candidates, accepted, duplicates, failed, rejected, gas, treeSize: tree.size, root: tree.root };
    for (const name of Object.keys(seen) as (keyof typeof seen)[]) {
      const [run, shown] = [canonicalJson(said[name]), canonicalJson(seen[name])];
      if (run !== shown) report('summary', `${name}: the run says ${run}, the log shows ${shown}`);
    }
    // Prices that are no part of the program may have been changed since.
    const isPriced = program.budget.money !== undefined;
    const taken = tokensOf(inferenceTotals(program, deployment, usage), isPriced);
    if (tokensOf(said.inference, isPriced) !== taken)
      report('summary', `inference: the run says ${tokensOf(said.inference, isPriced)}, the log shows ${taken}`);
  } catch (error) {
    report(`${topics.control}, offset ${last?.offset ?? 0}`, messageOf(error));
  }
}

function tokensOf(totals: InferenceTotals | null, isPriced: boolean): string {
  const steps = Object.entries(totals?.steps ?? {}).filter(([, { questions, input, output }]) => questions + input + output > 0);
  return canonicalJson(
    Object.fromEntries(
      steps.map(([step, { model, questions, input, output, micros }]) => [
        step,
        { model, questions, input, output, ...(isPriced ? { micros } : {}) },
      ]),
    ),
  );
}
