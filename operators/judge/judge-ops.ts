/**
 * The two ops of a judge that ask nobody. `score` puts the judges' schema-valid scores together and says what was found wanting; `verdict` keeps,
 * rejects, or puts the best repaired text into the record. Since they are ops of their own, changing a rule or a minimum asks no model again (P8).
 */
import type { EffectSink, Executor, FieldType, Row, Value } from '#kernel';
import { z } from 'zod';
import { isRow } from '../fields.ts';
import type { Fraction } from './combine.ts';
import { COMBINE, combine, compareFractions, meanOf, reaches } from './combine.ts';

const scoreParams = z.strictObject({
  part: z.literal('score'),
  judges: z.array(z.string()),
  scores: z.array(z.string()),
  combine: z.enum(COMBINE),
  min: z.number().optional(),
  least: z.record(z.string(), z.number()),
  verdict: z.string(),
  words: z.string(),
  /** Words of the try before; absent for the text as it came. */
  before: z.string().optional(),
  /** Go on after a text that passes. */
  all: z.boolean(),
});
const verdictParams = z.strictObject({
  part: z.literal('verdict'),
  field: z.string(),
  as: z.string().optional(),
  scores: z.array(z.string()),
  limit: z.string(),
  verdicts: z.array(z.string()),
  /** The repaired texts, one fewer than verdicts. */
  texts: z.array(z.string()),
});
export const judgeOpParams = z.discriminatedUnion('part', [scoreParams, verdictParams]);
export type JudgeOpParams = z.infer<typeof judgeOpParams>;

/** What `score` says of one text. Whole numbers, so that nothing is rounded before it is compared. */
export function verdictType(scores: readonly string[]): FieldType {
  return {
    record: [
      { name: 'over', type: 'long' },
      { name: 'passed', type: 'boolean' },
      { name: 'scores', type: { record: scores.map((name) => ({ name, type: 'double' })) } },
      { name: 'under', type: 'long' },
    ],
  };
}

/** The field that an author asks for. */
export function scoresType(scores: readonly string[]): FieldType {
  return { record: ['score', ...scores].sort().map((name) => ({ name, type: 'double' })) };
}

export function openJudgeOp(p: JudgeOpParams): Executor {
  return p.part === 'score' ? openScore(p) : openVerdict(p);
}

interface Given {
  readonly score: number;
  readonly reason: string;
}

function openScore(p: z.infer<typeof scoreParams>): Executor {
  return {
    execute(input, out) {
      for (const row of input.rows) {
        const judges = p.judges.map((field) => input.value(field, row));
        const before = p.before === undefined ? null : input.value(p.before, row);
        // A judge who was not asked, or whose every draw failed: the text has no verdict, and the next try has the words of the last.
        if (judges.some((judge) => judge === null)) {
          out.setValue(p.verdict, row, null);
          out.setValue(p.words, row, before);
          continue;
        }
        const given = p.scores.map((name) => judges.map((judge) => givenOf(judge, name)));
        const combined = given.map((scores) =>
          combine(
            p.combine,
            scores.map(({ score }) => score),
          ),
        );
        const mean = meanOf(combined);
        const passed =
          (p.min === undefined || reaches(mean, p.min)) &&
          p.scores.every((name, n) => reaches(combined[n] ?? mean, p.least[name] ?? Number.MIN_SAFE_INTEGER));
        const scores = Object.fromEntries(p.scores.map((name, n) => [name, numberOf(combined[n] ?? mean)]));
        out.setValue(p.verdict, row, { over: mean.over, passed, scores, under: mean.under });
        const found = p.scores.map((name, n) => wordsOf(name, combined[n] ?? mean, given[n] ?? [])).join('; ');
        out.setValue(p.words, row, passed ? (p.all ? before : null) : found);
      }
    },
  };
}

/** From an answer that is by the schema. */
function givenOf(judge: Value | undefined, name: string): Given {
  const given = isRow(judge) ? judge[name] : undefined;
  const { score, reason } = isRow(given) ? given : ({} as Row);
  return { score: typeof score === 'number' ? score : 0, reason: typeof reason === 'string' ? reason : '' };
}

function numberOf({ over, under }: Fraction): number {
  return over === 0 ? 0 : over / under;
}

function wordsOf(name: string, score: Fraction, given: readonly Given[]): string {
  const reasons = given.flatMap(({ reason }) => (reason.trim() === '' ? [] : [reason.trim()]));
  return `${name} ${numberOf(score)}${reasons.length === 0 ? '' : `: ${reasons.join(' / ')}`}`;
}

interface Judged {
  readonly text: Value | undefined;
  readonly mean: Fraction;
  readonly passed: boolean;
  readonly scores: Row;
}

function openVerdict(p: z.infer<typeof verdictParams>): Executor {
  return {
    execute(input, out) {
      for (const row of input.rows) {
        const judged = p.verdicts.flatMap((field, n) => {
          const verdict = input.value(field, row);
          const text = n === 0 ? undefined : input.value(p.texts[n - 1] ?? '', row);
          return isRow(verdict) ? [judgedOf(verdict, text)] : [];
        });
        decide(p, row, judged, out);
      }
    },
  };
}

function judgedOf(verdict: Row, text: Value | undefined): Judged {
  const { over, under, passed, scores } = verdict;
  return { text, mean: { over: Number(over), under: Number(under) }, passed: passed === true, scores: isRow(scores) ? scores : {} };
}

/** The best one that passes: highest score, then the first. None: the record is rejected by the best that there was. */
function decide(p: z.infer<typeof verdictParams>, row: number, judged: readonly Judged[], out: EffectSink): void {
  const passing = judged.filter(({ passed }) => passed);
  const best = (passing.length > 0 ? passing : judged).reduce((first, next) =>
    compareFractions(next.mean, first.mean) > 0 ? next : first,
  );
  if (best.passed && best.text !== undefined && best.text !== null) out.setValue(p.field, row, best.text);
  if (p.as !== undefined) out.setValue(p.as, row, { ...best.scores, score: numberOf(best.mean) });
  if (best.passed) return;
  const each = p.scores.length === 1 ? '' : ` (${p.scores.map((name) => `${name} ${String(best.scores[name])}`).join(', ')})`;
  out.reject(row, { measured: `${numberOf(best.mean)}${each}`, limit: p.limit });
}
