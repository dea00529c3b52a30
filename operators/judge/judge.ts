/**
 * Lets one or more models judge a record against a rubric. The step compiles to an `inference` for each judge, an op that puts their scores together,
 * and one that decides; with `onFail: repair` the text is rewritten by the judges' words and judged again, try after try, each with its own leaf.
 * Only a score that is by the schema counts: whatever a record says reaches the verdict through nothing else (law 7).
 */
import type { Field, OpPlan, PlanContext } from '#kernel';
import { defineOperator } from '#kernel';
import { z } from 'zod';
import { newField, openParams, planTextColumn, planWrite, rootOf, toJson } from '../fields.ts';
import type { AnswerSchema } from '../generate/answer-schema.ts';
import { planAnswerSchema } from '../generate/answer-schema.ts';
import { planAsk, planModel, writesOf } from '../generate/ask.ts';
import { plainTemplate } from '../template/prepare.ts';
import { COMBINE } from './combine.ts';
import type { Judge } from './data-prompt.ts';
import { askingParams, DATA_RULE, hiddenName, planJudges, planShown, recordTemplate } from './data-prompt.ts';
import { JUDGE_EXAMPLES } from './judge-examples.ts';
import type { JudgeOpParams } from './judge-ops.ts';
import { judgeOpParams, openJudgeOp, scoresType, verdictType } from './judge-ops.ts';
import { planRewrite, rewriteSettings, triesParam } from './rewrite.ts';
import type { Rubric } from './rubric.ts';
import { planRubric, rubricFile, rubricParam, rubricText, SCORE_LIMIT } from './rubric.ts';

/** Decimals of `min` and `least`. */
const DECIMALS = /^-?\d+(?:\.\d{1,6})?$/;
const limit = (what: string) =>
  z
    .number()
    .min(-SCORE_LIMIT)
    .max(SCORE_LIMIT)
    .refine((value) => DECIMALS.test(String(value)), 'a number with at most 6 decimals')
    .describe(what);

const params = z.strictObject({
  ...askingParams,
  rubric: rubricParam,
  combine: z
    .enum(COMBINE)
    .describe('How several judges make one score: their mean, median, lowest, or the most frequent (the lowest of those that tie).')
    .default('mean'),
  min: limit('Lowest mean over all scores of the rubric.').optional(),
  least: z.record(z.string(), limit('Lowest value.')).describe('From the name of a score to its lowest value.').optional(),
  as: newField(
    'Field that receives the scores: `score`, their mean, and each by its name. Without it they are in the evidence only.',
  ).optional(),
  onFail: z
    .enum(['drop', 'flag', 'repair'])
    .describe("What becomes of a record that misses a minimum: dropped, kept with the step's id in `flags`, or repaired.")
    .default('drop'),
  tries: triesParam.optional(),
  until: z
    .enum(['passed', 'tries'])
    .describe(
      'With `onFail: repair`: stop at the first text that passes, or use every try; the best one that passes wins, the first of equals.',
    )
    .default('passed'),
  repair: rewriteSettings.describe('With `onFail: repair`: who repairs (default: the first judge), and how.').optional(),
});

type Params = z.infer<typeof params>;

export const judge = defineOperator({
  name: 'judge',
  version: 1,
  group: 'judge',
  kind: 'row',
  corrects: true,
  summary: 'Let models judge a record against a rubric, and drop, flag or repair what falls short.',
  description:
    'Each judge is shown the rubric and the record as data, and answers by a JSON Schema: a reason and one option for every score. An answer that is not by the schema is a failed draw; when none is left, the record fails with its code. ' +
    'The scores of several judges are put together by `combine`, and the record is kept if their mean reaches `min` and each score its `least`, in exact fractions. The step becomes several ops: ID.judge1 … (inference), ID.score1 …, and ID, which decides. ' +
    "With `onFail: repair` come ID.try1 … between them: a model rewrites the text by the judges' words, and it is judged again, up to `tries` times. A record that is repaired keeps its id and counts as corrected. " +
    'Reasons stand in the answers, which `mizu show RECORD` shows with their signatures. Changing `min`, `least`, `combine` or `onFail: drop | flag` asks nobody again.',
  params,
  examples: JUDGE_EXAMPLES,
  gas: { perRecord: 4, per64Bytes: 1 },
  defaultId: (p) => `judge-${p.field.replaceAll('.', '-')}`,
  files: (p) => {
    const file = rubricFile(p.rubric);
    return file === undefined ? [] : [{ path: file, at: 'rubric' }];
  },
  plan(p, context) {
    const judges = planJudges(p, context);
    const rubric = planRubric(p.rubric, context);
    const shown = planShown(p, context);
    if (judges === undefined || rubric === undefined || !shown || !planLimits(p, rubric, context)) return [];
    const scores = rubric.scores.map(({ name }) => name);
    if (p.as !== undefined && !planWrite(context, p.as, scoresType(scores))) return [];
    const repair = planRepair(p, judges, context);
    if (repair === undefined) return [];
    const schema = planAnswerSchema(answerSchema(p, rubric), 'rubric', context);
    return schema === undefined ? [] : new JudgePlan(p, context, { judges, rubric, schema, ...repair }).ops();
  },
  open: (op) => openJudgeOp(openParams(judgeOpParams, op.params, 'judge')),
});

interface Repair {
  readonly tries: number;
  readonly model: string;
}

/** No tries without a repair; undefined after reported problems. */
function planRepair(p: Params, judges: readonly Judge[], context: PlanContext): Repair | undefined {
  const model = p.repair?.model ?? judges[0]?.model ?? '';
  if (p.onFail !== 'repair') {
    for (const name of ['tries', 'repair'] as const)
      if (p[name] !== undefined)
        context.problem(name, `'${name}' is for records that are repaired`, { hint: 'add `onFail: repair`, or leave it out' });
    return p.tries === undefined && p.repair === undefined ? { tries: 0, model } : undefined;
  }
  if (!planTextColumn(context, p.field)) return undefined;
  return planModel(model, p.repair?.model === undefined ? 'model' : 'repair.model', context) ? { tries: p.tries ?? 1, model } : undefined;
}

function planLimits(p: Params, rubric: Rubric, context: PlanContext): boolean {
  const names = rubric.scores.map(({ name }) => name);
  const unknown = Object.keys(p.least ?? {}).filter((name) => !names.includes(name));
  for (const name of unknown) {
    const hint = context.nearest(name, names);
    context.problem(`least.${name}`, `The rubric has no score '${name}'`, {
      expected: names.join(', '),
      ...(hint === undefined ? {} : { hint }),
    });
  }
  const decides = p.min !== undefined || p.least !== undefined;
  if (!decides && p.as === undefined)
    context.problem('min', 'Nothing is done with the scores', { expected: '`min`, `least`, or `as` to keep them in a field' });
  if (!decides && p.onFail !== 'drop')
    context.problem('onFail', 'Without `min` or `least` no record falls short', { hint: 'add `min: 3`' });
  return unknown.length === 0 && (decides || (p.as !== undefined && p.onFail === 'drop'));
}

/** Properties are written in order of name, so a reason comes before its score. */
function answerSchema({ reasons }: Params, { scores }: Rubric) {
  const properties = scores.map(({ name, options }) => {
    const score = { enum: options.map(({ value }) => value) };
    const reason = reasons === 0 ? {} : { reason: { type: 'string', maxLength: reasons } };
    return [name, { type: 'object', properties: { ...reason, score }, required: [...Object.keys(reason), 'score'] }] as const;
  });
  return { type: 'object', properties: Object.fromEntries(properties), required: scores.map(({ name }) => name) };
}

class JudgePlan {
  private readonly p: Params;
  private readonly context: PlanContext;
  private readonly with: Repair & { readonly judges: readonly Judge[]; readonly rubric: Rubric; readonly schema: AnswerSchema };
  private readonly scores: readonly string[];
  private readonly made: Field[] = [];

  constructor(p: Params, context: PlanContext, parts: JudgePlan['with']) {
    this.p = p;
    this.context = context;
    this.with = parts;
    this.scores = parts.rubric.scores.map(({ name }) => name);
  }

  ops(): readonly OpPlan[] {
    const { tries } = this.with;
    const ops: (OpPlan | undefined)[] = [...this.asks(0), this.score(0)];
    for (let n = 1; n <= tries; n++) ops.push(this.rewrite(n), ...this.asks(n), this.score(n));
    const planned = ops.filter((op) => op !== undefined);
    return planned.length < ops.length ? [] : [...planned, this.verdict()];
  }

  private name(part: string, n: number): string {
    return hiddenName(this.context, `${part}${n}`);
  }

  /** Template expression of the text after n tries: the newest one that there is. */
  private text(n: number): string {
    let expression = this.p.field;
    for (let k = 1; k <= n; k++) expression = `${this.name('text', k)} | default(${expression})`;
    return expression;
  }

  private asks(n: number): (OpPlan | undefined)[] {
    const { judges, rubric, schema } = this.with;
    const { p } = this;
    const system = [
      'You judge one record by a rubric. For each score give the value of the option that fits best.',
      DATA_RULE,
      ...(p.instructions === undefined ? [] : [p.instructions]),
      `The rubric:\n\n${rubricText(rubric)}`,
    ].join('\n');
    const prompt = `${recordTemplate(p, n === 0 ? p.field : this.name('text', n))}\nJudge ${JSON.stringify(p.field)} of this record by the rubric.`;
    return judges.map(({ model, sampling }, index) => {
      const suffix = n === 0 ? `judge${index + 1}` : `try${n}.judge${index + 1}`;
      const when = n === 0 ? {} : { when: this.name('text', n) };
      const ask = {
        suffix,
        as: this.answerName(n, index),
        model,
        prompt,
        system: plainTemplate(system),
        sampling,
        draws: p.draws,
        schema,
        ...when,
        hidden: true,
      };
      const plan = planAsk({ ...ask, made: this.made }, this.context);
      this.made.push(...writesOf(ask));
      return plan;
    });
  }

  private answerName(n: number, index: number): string {
    return this.name(`answer${n}-`, index + 1);
  }

  private score(n: number): OpPlan {
    const { p, scores } = this;
    const judges = this.with.judges.map((_, index) => this.answerName(n, index));
    const before = n === 0 ? undefined : this.name('words', n - 1);
    const [verdict, words] = [this.name('verdict', n), this.name('words', n)];
    const all = p.until === 'tries' && this.with.tries > 0;
    const own: JudgeOpParams = {
      part: 'score',
      judges,
      scores: [...scores],
      combine: p.combine,
      min: p.min,
      least: p.least ?? {},
      verdict,
      words,
      before,
      all,
    };
    const type = verdictType(scores);
    const writes: Field[] = [
      { name: verdict, type: n === 0 ? type : { optional: type } },
      { name: words, type: { optional: 'string' } },
    ];
    this.made.push(...writes);
    return {
      suffix: n === 0 ? 'score' : `try${n}.score`,
      params: toJson(own),
      reads: [...judges, ...(before === undefined ? [] : [before])],
      writes,
    };
  }

  private rewrite(n: number): OpPlan | undefined {
    const { p } = this;
    const as = this.name('text', n);
    const { model: _, ...settings } = p.repair ?? {};
    const words = this.name('words', n - 1);
    const plan = planRewrite(
      {
        suffix: `try${n}`,
        as,
        model: this.with.model,
        field: p.field,
        with: p.with,
        text: this.text(n - 1),
        words,
        settings,
        made: this.made,
      },
      this.context,
    );
    this.made.push({ name: as, type: { optional: 'string' } });
    return plan;
  }

  private verdict(): OpPlan {
    const { p, scores } = this;
    const { tries } = this.with;
    const texts = Array.from({ length: tries }, (_, n) => this.name('text', n + 1));
    const verdicts = Array.from({ length: tries + 1 }, (_, n) => this.name('verdict', n));
    const least = Object.entries(p.least ?? {}).map(([name, value]) => `${name} at least ${value}`);
    const text = [...(p.min === undefined ? [] : [`at least ${p.min}`]), ...least].join(', ');
    const own: JudgeOpParams = { part: 'verdict', field: p.field, as: p.as, scores: [...scores], limit: text, verdicts, texts };
    const writes: Field[] = [
      ...(tries === 0 ? [] : [{ name: p.field, type: 'string' } as const]),
      ...(p.as === undefined ? [] : [{ name: p.as, type: scoresType(scores) }]),
    ];
    const reads = [...new Set([...(tries === 0 ? [] : [rootOf(p.field)]), ...verdicts, ...texts])];
    return { params: toJson(own), reads, writes, onFail: p.onFail === 'flag' ? 'flag' : 'drop' };
  }
}
