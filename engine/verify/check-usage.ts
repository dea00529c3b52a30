/**
 * What a run's questions took (P15): the usage that each accepted result signs is that of the answers on the log, and the run went as far as its budget
 * allows, no further and no less. Holds one sum for each task. The first answer of a key counts: where sums differ, answers are read again, and those that
 * repeat a key are left out, so that no set of all keys has to be held.
 */
import type { Usage } from '../contract/inference.ts';
import type { Program } from '../contract/program.ts';
import { modelSteps, scaledUsage, sumUsage, TokenBudget, worstOfCandidate } from '../compile/token-budget.ts';
import { questionDigest } from '../compile/op-digest.ts';
import type { ControlBody, CutEntry } from '../dispatch/control-entry.ts';
import type { FinishReason } from '../dispatch/finish-reasons.ts';
import type { Attestation } from '../proof/attestation.ts';
import { countedTokens } from '../proof/counted-tokens.ts';
import { canonicalJson } from '../proof/jcs.ts';
import { equalBytes, toHex } from '../proof/sha256.ts';
import type { RecordedAttestation } from '../runtime/recorded-gateway.ts';
import type { Report } from './report.ts';

interface TaskUsage {
  readonly cut: CutEntry;
  readonly poison: Set<number>;
  /** What its accepted result signs; undefined where that is not on the log. */
  signed: Usage | undefined;
  recorded: Usage;
}

export class UsageCheck {
  private readonly program: Program;
  private readonly budget: TokenBudget | undefined;
  /** Step → digest of its op, as questions bind it. */
  private readonly steps: ReadonlyMap<string, Uint8Array>;
  private readonly tasks: TaskUsage[] = [];
  /** An answer could not be read, which is said already: sums that lack it would say nothing more. */
  isBroken = false;

  constructor(program: Program) {
    this.program = program;
    this.budget = TokenBudget.of(program);
    const asking = new Set(modelSteps(program).map(({ id }) => id));
    const ops = program.stages.flatMap((stage) => stage.ops).filter(({ id }) => asking.has(id));
    this.steps = new Map(ops.map((op) => [op.id, questionDigest(op)]));
  }

  /** Control is seen before results, and these before attestations. */
  control(body: ControlBody): void {
    if (this.steps.size === 0) return;
    if (body.type === 'cut') this.tasks[body.k] ??= { cut: body, poison: new Set(), signed: undefined, recorded: {} };
    if (body.type === 'poison') this.tasks[body.k]?.poison.add(body.i);
  }

  result(k: number, usage: Usage | undefined): void {
    const task = this.tasks[k];
    if (task !== undefined) task.signed = usage ?? {};
  }

  attestation(attestation: Attestation): void {
    const task = this.taskAsking(attestation);
    if (task !== undefined) task.recorded = sumUsage(task.recorded, usageOf(attestation));
  }

  /**
   * Tasks 0 … last. `reason`: why the run ended; undefined while it goes on. `answered`: the first task of which retention left every answer.
   * `again`: reads the answers anew. @returns what all tasks took.
   */
  async check(
    { last, reason, answered }: { readonly last: number; readonly reason: FinishReason | undefined; readonly answered: number },
    again: () => AsyncIterable<RecordedAttestation>,
    report: Report,
  ): Promise<Usage> {
    let sum: Usage = {};
    const from = this.isBroken ? Number.POSITIVE_INFINITY : answered;
    if (this.tasks.some((task, k) => k >= from && k <= last && this.differs(task))) await this.recount(again());
    for (const [k, task] of this.tasks.slice(0, last + 1).entries()) {
      if (this.budget?.fits(sum, 0) === false) {
        report(`task 0/${k}`, 'it was assigned, though what it could take was no longer in the budget');
        return sum;
      }
      const { signed = {} } = task;
      if (k >= from && this.differs(task))
        report(
          `task 0/${k}`,
          `its result says that its questions took ${usageText(signed)}; the answers on the log come to ${usageText(this.expected(task))}`,
        );
      sum = sumUsage(sum, signed);
    }
    const full = this.budget?.fits(sum, 0) === false;
    if (reason === 'budget' && !full)
      report('budget', 'the run says that its budget of tokens or money was used up; one task more would have been within it');
    return sum;
  }

  private expected({ recorded, poison }: TaskUsage): Usage {
    return sumUsage(recorded, this.poisonUsage(poison.size));
  }

  private differs(task: TaskUsage): boolean {
    return !isSameUsage(task.signed ?? {}, this.expected(task));
  }

  /** Counts tasks that differ anew, from the first answer of each key. */
  private async recount(answers: AsyncIterable<RecordedAttestation>): Promise<void> {
    const doubted = new Set(this.tasks.filter((task) => this.differs(task)));
    for (const task of doubted) task.recorded = {};
    const seen = new Set<string>();
    for await (const { key, attestation } of answers) {
      const task = this.taskAsking(attestation);
      const name = toHex(key);
      if (task === undefined || !doubted.has(task) || seen.has(name)) continue;
      seen.add(name);
      task.recorded = sumUsage(task.recorded, usageOf(attestation));
    }
  }

  /** The task whose candidate asked, if the answer is to a question of the program. */
  private taskAsking({ step, opDigest, candidate }: Attestation): TaskUsage | undefined {
    const digest = this.steps.get(step);
    if (digest === undefined || !equalBytes(digest, opDigest)) return undefined;
    const task = this.taskOf(candidate);
    return task?.poison.has(candidate - task.cut.first) === true ? undefined : task;
  }

  private poisonUsage(candidates: number): Usage {
    if (this.budget === undefined || candidates === 0) return {};
    return scaledUsage(worstOfCandidate(modelSteps(this.program), this.program.budget.requestBytes ?? 0), candidates);
  }

  /** Cuts follow each other. */
  private taskOf(candidate: number): TaskUsage | undefined {
    let low = 0;
    let high = this.tasks.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const { first = 0, count = 0 } = this.tasks[middle]?.cut ?? {};
      if (candidate < first) high = middle;
      else if (candidate >= first + count) low = middle + 1;
      else return this.tasks[middle];
    }
    return undefined;
  }
}

function usageOf(attestation: Attestation): Usage {
  const { input = 0, output = 0 } = countedTokens(attestation) ?? {};
  return { [attestation.step]: { questions: 1, input, output } };
}

export function isSameUsage(a: Usage, b: Usage): boolean {
  return usageText(a) === usageText(b);
}

/** Steps without a question are left out. */
export function usageText(usage: Usage): string {
  const taken = Object.entries(usage).filter(([, { questions, input, output }]) => questions + input + output > 0);
  return canonicalJson(Object.fromEntries(taken.map(([step, { questions, input, output }]) => [step, { questions, input, output }])));
}
