/** Whether executing again takes of models what the accepted results sign, and whether the run went as far as its budget allows (P15). */
import type { Usage } from '../contract/inference.ts';
import type { Log } from '../contract/log.ts';
import { sumUsage, TokenBudget } from '../compile/token-budget.ts';
import { decodeResult, readEntry } from '../dispatch/signed-entry.ts';
import { readAll } from '../runtime/log-cursor.ts';
import { asksModels, NODE_LIMIT } from '../runtime/topics.ts';
import { isSameUsage, usageText } from './check-usage.ts';
import type { Mismatch } from './log-comparison.ts';
import type { RunReader } from './run-reader.ts';

export class UsageReplay {
  private readonly reader: RunReader;
  private readonly budget: TokenBudget | undefined;
  /** Task → what its accepted result signs. */
  private readonly signed: ReadonlyMap<number, Usage>;
  /** Of tasks 0 … k − 1, while the replay began with the first. */
  private sum: Usage | undefined = {};
  private next = 0;

  private constructor(reader: RunReader, signed: ReadonlyMap<number, Usage>) {
    this.reader = reader;
    this.budget = TokenBudget.of(reader.run.program);
    this.signed = signed;
  }

  static async open(log: Log, reader: RunReader): Promise<UsageReplay> {
    const signed = new Map<number, Usage>();
    const { results } = reader.topics;
    for (let node = 0; node < NODE_LIMIT && asksModels(reader.run.program); node++) {
      for await (const entry of readAll(log, results, node)) {
        const { body } = readEntry(decodeResult, results, node, entry);
        if (body.type !== 'task' || body.k > reader.last || signed.has(body.k)) continue;
        const { attempt, accepted } = reader.task(body.k);
        if (accepted && attempt === body.attempt) signed.set(body.k, body.usage ?? {});
      }
    }
    return new UsageReplay(reader, signed);
  }

  /** @param k in order. */
  compare(k: number, usage: Usage): Mismatch | undefined {
    if (k !== this.next) this.sum = undefined;
    this.next = k + 1;
    const said = this.signed.get(k) ?? {};
    if (!isSameUsage(usage, said))
      return mismatch(
        `0/${k}`,
        `its result says that its questions took ${usageText(said)}; executed again, they took ${usageText(usage)}`,
      );
    if (this.sum === undefined || this.budget === undefined) return undefined;
    if (!this.budget.fits(this.sum, 0)) return mismatch(`0/${k}`, 'it was assigned, though what it could take was no longer in the budget');
    this.sum = sumUsage(this.sum, usage);
    const { last, facts } = this.reader;
    if (k !== last || facts.finish?.last !== last || facts.finish.reason !== 'budget' || !this.budget.fits(this.sum, 0)) return undefined;
    return mismatch(`0/${k}`, 'the run ended after it, as if its budget were used up; one task more would have been within it');
  }
}

function mismatch(task: string, message: string): Mismatch {
  return { task, step: 'usage', block: undefined, record: undefined, message: `task ${task}: ${message}` };
}
