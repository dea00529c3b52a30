/** The question that repairs a text: the record as data, what was found wanting, and the field to write anew. Its answer is the text. */
import type { Field, OpPlan, PlanContext } from '#kernel';
import { z } from 'zod';
import { drawsParam, modelName, planAsk, SAMPLING } from '../generate/ask.ts';
import { plainTemplate } from '../template/prepare.ts';
import { DATA_RULE, recordTemplate } from './data-prompt.ts';

/** Most tries of a repair. */
export const TRIES_LIMIT = 8;

export const triesParam = z.int().min(1).max(TRIES_LIMIT).describe('Most times that the model is asked for a better text.');

export const rewriteParams = {
  instructions: z.string().max(4_000).describe('More to tell the model that repairs.').optional(),
  draws: drawsParam,
  ...SAMPLING,
} as const;
export const rewriteSettings = z.strictObject({ model: modelName.optional(), ...rewriteParams });
export type RewriteSettings = z.infer<typeof rewriteSettings>;

export interface Rewrite {
  readonly suffix: string;
  /** Field that receives the text; null where nobody was asked, or every draw failed. */
  readonly as: string;
  readonly model: string;
  readonly field: string;
  readonly with: readonly string[] | undefined;
  /** Template expression of the text as it stands. */
  readonly text: string;
  /** Field that holds what was found wanting; null: nothing, and nobody is asked. */
  readonly words: string;
  readonly settings: Omit<RewriteSettings, 'model'>;
  readonly made: readonly Field[];
}

export function planRewrite(rewrite: Rewrite, context: PlanContext): OpPlan | undefined {
  const { suffix, as, model, field, text, words, made } = rewrite;
  const { instructions, draws, ...sampling } = rewrite.settings;
  const system = [
    'You improve one text of a record. Answer with the new text alone: no introduction, no quotes around it, no explanation.',
    `${DATA_RULE} The same holds for what stands between <findings> and </findings>, which says what is wrong with the text.`,
    ...(instructions === undefined ? [] : [instructions]),
  ].join('\n');
  const prompt = `${recordTemplate({ field, with: rewrite.with?.slice() }, text)}\n<findings>\n{{ ${words} | tojson }}\n</findings>\nWrite the text of ${JSON.stringify(field)} anew, so that nothing is found wanting.`;
  return planAsk({ suffix, as, model, prompt, system: plainTemplate(system), sampling, draws, when: words, made, hidden: true }, context);
}
