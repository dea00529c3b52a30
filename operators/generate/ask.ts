/**
 * The op `inference`: a canonical chat-completions body from a template, asked in up to N draws, its answer as a text or as fields by a schema. Steps
 * that ask (inference, judge, classify, repair) plan this op, so what is asked, paid for and attested is the same kind of thing everywhere (law 7).
 */
import type { Answer, BlockView, ExternalExecutor, Field, FieldType, Json, OpEnv, OpPlan, OpSpec, PlanContext, Value } from '#kernel';
import { canonicalBytes, parseStrictJson, REQUEST_LIMIT_BYTES } from '#kernel';
import { z } from 'zod';
import { fieldTypeSchema } from '../field-type.ts';
import { openParams, toJson } from '../fields.ts';
import { openTemplate, planTemplate, SYNTAX } from '../template/prepare.ts';
import type { AnswerSchema } from './answer-schema.ts';
import { openAnswer } from './answer-schema.ts';
import { readChatAnswer } from './chat-answer.ts';
import { isObject } from './convert.ts';

/** Seeds that every server tried takes: 31 bits. */
const SEED_RANGE = 2 ** 31 - 1;
/** Largest `maxTokens`: more text than an answer may have bytes. */
export const TOKENS_LIMIT = 65_536;
/** OpenAI API reference: up to four stop sequences. */
const STOP_LIMIT = 4;
const STOP_CHARACTERS = 200;
/** Highest number of a draw. */
export const DRAW_LIMIT = 1_000_000;
/** Most draws of one question. */
export const DRAWS_LIMIT = 16;
/** One unit of output gas is charged for so many bytes of an answer. */
const GAS_OUTPUT_BYTES = 64;

/** Parameters of sampling: those of the OpenAI API, under names of ours. */
export const SAMPLING = {
  maxTokens: z
    .int()
    .min(1)
    .max(TOKENS_LIMIT)
    .describe("Most tokens of the answer; one that needs more fails. Default: the server's own.")
    .optional(),
  temperature: z.number().min(0).max(2).describe("0 to 2. Default: the server's own.").optional(),
  topP: z.number().positive().max(1).describe("Share of the probability that is sampled from. Default: the server's own.").optional(),
  stop: z
    .array(z.string().min(1).max(STOP_CHARACTERS))
    .min(1)
    .max(STOP_LIMIT)
    .describe('Texts at which the answer ends; they are not part of it.')
    .optional(),
} as const;

export const modelName = z.string().min(1).max(128).describe('Name of a model under `models` of the workflow.');
export const drawsParam = z
  .int()
  .min(1)
  .max(DRAWS_LIMIT)
  .describe('Most draws: a broken answer (cut, filtered, empty, not by the schema) is asked for again, so many times in all. Default: 1.')
  .optional();

const planned = z.strictObject({
  as: z.string().optional(),
  model: z.string(),
  prompt: z.string(),
  system: z.string().optional(),
  ...SAMPLING,
  draw: z.int().min(0).max(DRAW_LIMIT),
  draws: drawsParam,
  schema: z.record(z.string(), z.json()).optional(),
  fields: z.array(z.strictObject({ name: z.string(), type: fieldTypeSchema })).optional(),
  when: z.string().optional(),
  syntax: SYNTAX,
});

type Planned = z.infer<typeof planned>;

/** A question to plan. */
export interface Ask {
  readonly suffix?: string;
  /** Field that receives the text, or the record of all fields of the schema; absent: each field of the schema by itself. */
  readonly as?: string | undefined;
  readonly model: string;
  readonly prompt: string;
  readonly system?: string | undefined;
  readonly sampling: { readonly [Name in keyof typeof SAMPLING]?: Planned[Name] };
  readonly draw?: number;
  readonly draws?: number | undefined;
  readonly schema?: AnswerSchema | undefined;
  /** Field without which (null) nobody is asked; the answer is then null, as it is when every draw fails. */
  readonly when?: string;
  /** Fields that earlier ops of the same step make. */
  readonly made?: readonly Field[];
  /** Templates were made by the operator: they may name hidden fields. */
  readonly hidden?: boolean;
}

/** Whether the workflow has the model; otherwise a problem was reported. */
export function planModel(model: string, at: string, context: PlanContext): boolean {
  if (context.models.includes(model)) return true;
  const hint = context.nearest(model, context.models) ?? `declare it: \`models: { ${model}: { url: "http://…/v1" } }\``;
  const expected = context.models.length === 0 ? {} : { expected: context.models.join(', ') };
  context.problem(at, `There is no model '${model}' under \`models\``, { ...expected, hint });
  return false;
}

/** What the answer becomes. */
export function writesOf({ as, schema, when }: Pick<Ask, 'as' | 'schema' | 'when'>): readonly Field[] {
  const known: FieldType = schema === undefined ? 'string' : { record: schema.fields };
  if (as === undefined) return schema?.fields ?? [];
  return [{ name: as, type: when === undefined ? known : { optional: known } }];
}

/** Undefined after reported problems of the templates, at `prompt` and `system`. The model was checked. */
export function planAsk(ask: Ask, context: PlanContext): OpPlan | undefined {
  const { suffix, as, model, prompt, system, sampling, draw = 0, draws, schema, when, made = [], hidden = false } = ask;
  const within = made.length === 0 ? context : withFields(context, made);
  const user = planTemplate(prompt, 'prompt', within, { hidden });
  const about = system === undefined ? undefined : planTemplate(system, 'system', within, { hidden });
  if (user === undefined || (system !== undefined && about === undefined)) return undefined;
  const { maxTokens, temperature, topP, stop } = sampling;
  const params = toJson({
    as,
    model,
    prompt,
    system,
    maxTokens,
    temperature,
    topP,
    stop,
    draw,
    draws,
    schema: schema?.schema,
    fields: schema?.fields,
    when,
    syntax: user.syntax ?? about?.syntax,
  });
  const reads = [...new Set([...user.reads, ...(about?.reads ?? []), ...(when === undefined ? [] : [when])])];
  return { op: 'inference', params, reads, writes: writesOf(ask), ...(suffix === undefined ? {} : { suffix }) };
}

/** The context with fields that are only made between the ops of a step. */
export function withFields(context: PlanContext, made: readonly Field[]): PlanContext {
  return {
    ...bound(context),
    fieldType: (path, at, where) => {
      const field = made.find(({ name }) => name === path);
      return field === undefined ? context.fieldType(path, at, where) : field.type;
    },
  };
}

/** A context may be an object with methods: they are kept with their owner. */
function bound(context: PlanContext): PlanContext {
  return {
    step: context.step,
    get schema() {
      return context.schema;
    },
    fieldType: (path, at, where) => context.fieldType(path, at, where),
    data: (name, at) => context.data(name, at),
    file: (path) => context.file(path),
    rule: (step, at) => context.rule(step, at),
    source: context.source,
    models: context.models,
    engines: context.engines,
    problem: (at, message, more) => context.problem(at, message, more),
    warning: (at, message, more) => context.warning(at, message, more),
    nearest: (word, among) => context.nearest(word, among),
  };
}

type Read = { readonly value: Value } | { readonly code: string; readonly message: string };

export function openAsk(op: OpSpec, env: OpEnv): ExternalExecutor {
  const p = openParams(planned, op.params, 'inference');
  const writePrompt = openTemplate(p.prompt, p.syntax);
  const writeSystem = p.system === undefined ? undefined : openTemplate(p.system, p.syntax);
  const read = readerOf(p);
  const last = p.draw + (p.draws ?? 1) - 1;
  const seedOf = (candidate: number, draw: number): number => env.draws.below(SEED_RANGE, candidate, 'seed', draw);
  return {
    question(input, row, out) {
      if (!isWanted(p, input, row)) return undefined;
      const user = writePrompt(input, row, out);
      const system = user === undefined ? undefined : writeSystem?.(input, row, out);
      if (user === undefined || (writeSystem !== undefined && system === undefined)) return undefined;
      if (/^[ \t\r\n]*$/.test(user)) {
        out.fail(row, 'PROMPT_EMPTY', 'the prompt has no text for this record');
        return undefined;
      }
      const candidate = input.candidate(row);
      const request = canonicalBytes(requestOf(p, user, system, seedOf(candidate, p.draw)));
      if (request.length > REQUEST_LIMIT_BYTES) {
        out.fail(row, 'REQUEST_TOO_LARGE', `the request has ${request.length} bytes, at most ${REQUEST_LIMIT_BYTES} can be asked`);
        return undefined;
      }
      return { step: op.id, opDigest: env.questionDigest, candidate, draw: p.draw, model: p.model, request };
    },
    further(_input, _row, answer, question) {
      if (question.draw >= last || 'value' in read(answer)) return undefined;
      const draw = question.draw + 1;
      const body = parseStrictJson(question.request);
      const request = canonicalBytes({ ...(isObject(body) ? body : {}), seed: seedOf(question.candidate, draw) });
      return { ...question, draw, request };
    },
    answer(_input, row, answer, out) {
      const result = read(answer);
      if ('value' in result) {
        out.charge(Math.ceil(sizeOf(result.value) / GAS_OUTPUT_BYTES));
        write(p, result.value, row, out);
      } else if (p.when === undefined) out.fail(row, result.code, result.message);
      else write(p, null, row, out);
    },
    unasked(_input, row, out) {
      write(p, null, row, out);
    },
  };
}

function isWanted({ when }: Planned, input: BlockView, row: number): boolean {
  return when === undefined || input.value(when, row) !== null;
}

function readerOf({ schema, fields }: Planned): (answer: Answer) => Read {
  const structured = schema === undefined || fields === undefined ? undefined : openAnswer({ schema, fields });
  return (answer) => {
    if (answer.kind === 'failure') return answer;
    const chat = readChatAnswer(answer.response);
    return 'code' in chat ? chat : (structured?.(chat.text) ?? { value: chat.text });
  };
}

function sizeOf(value: Value): number {
  return Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value));
}

function write({ as, fields = [] }: Planned, value: Value, row: number, out: Parameters<ExternalExecutor['answer']>[3]): void {
  if (as !== undefined) out.setValue(as, row, value);
  else for (const { name } of fields) out.setValue(name, row, (value as { readonly [name: string]: Value } | null)?.[name] ?? null);
}

/** The body as the OpenAI API takes it, under the author's name of the model; the gateway puts the server's name there. */
function requestOf(p: Planned, user: string, system: string | undefined, seed: number): Json {
  const messages = [...(system === undefined ? [] : [{ role: 'system', content: system }]), { role: 'user', content: user }];
  return {
    model: p.model,
    messages,
    seed,
    ...(p.maxTokens === undefined ? {} : { max_tokens: p.maxTokens }),
    ...(p.temperature === undefined ? {} : { temperature: p.temperature }),
    ...(p.topP === undefined ? {} : { top_p: p.topP }),
    ...(p.stop === undefined ? {} : { stop: p.stop }),
    ...(p.schema === undefined
      ? {}
      : { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: p.schema, strict: true } } }),
  };
}
