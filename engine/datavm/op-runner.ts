/**
 * The kernel around one row op: runs it over a block, counts, charges gas, commits to the effect, makes the leaf. An operator's
 * throw is a defect and ends the attempt with the step named; a record's fault ends the record only.
 */
import { invariant, messageOf, MizuError } from '../contract/errors.ts';
import type { Answer, Question, StepUsage } from '../contract/inference.ts';
import type { Executor } from '../contract/executor.ts';
import type { Operator } from '../contract/operator.ts';
import type { OpSpec } from '../contract/program.ts';
import { modelStep } from '../compile/token-budget.ts';
import { SOURCE_FIELD } from '../compile/kernel-fields.ts';
import type { Drop } from '../proof/effect.ts';
import { hashEffect } from '../proof/effect.ts';
import type { Block } from './block.ts';
import { columnBytes } from './column.ts';
import type { AppliedEffect } from './effect-recorder.ts';
import { EffectRecorder } from './effect-recorder.ts';

const GAS_UNIT_BYTES = 64;

/** One op, opened for execution on this thread. */
export interface LoadedOp {
  readonly spec: OpSpec;
  readonly operator: Operator;
  readonly executor: Executor;
  readonly digest: Uint8Array;
  /** Place among the author's ops of its stage. */
  readonly index: number;
  readonly stage: number;
  /** Longest request that it may ask, bytes, where a budget bounds it (P15). */
  readonly requestLimit?: number | undefined;
  /** See EffectRecorder. */
  readonly sizes: Map<string, number>;
}

export interface OpResult {
  readonly effectHash: Uint8Array;
  readonly applied: AppliedEffect;
  readonly drops: readonly Drop[];
  readonly gas: number;
  readonly in: number;
  /** What its questions took; absent where it asked none. */
  readonly usage?: StepUsage | undefined;
}

export type AskAll = (questions: readonly Question[]) => Promise<readonly Answer[]>;

/** Gas of an op over a block: per record, per 64 bytes of the fields read, and what the op charged. */
function estimateGas(op: LoadedOp, block: Block): number {
  const { perRecord, per64Bytes } = op.operator.gas;
  let bytes = 0;
  if (per64Bytes > 0)
    for (const field of new Set(op.spec.reads.map(headOf))) if (block.has(field)) bytes += columnBytes(block.column(field), block.rows);
  return perRecord * block.rows.length + per64Bytes * Math.ceil(bytes / GAS_UNIT_BYTES);
}

/** `persona` of `persona.voice`. */
export function headOf(path: string): string {
  const dot = path.indexOf('.');
  return dot === -1 ? path : path.slice(0, dot);
}

export async function runOp(op: LoadedOp, block: Block, ask: AskAll): Promise<OpResult> {
  const recorder = new EffectRecorder(block, op.spec, op.stage, op.index, op.sizes);
  const live = block.rows.length;
  let usage: StepUsage | undefined;
  const gas = estimateGas(op, block);
  block.visible = [...new Set(op.spec.reads.map(headOf))].filter((field) => block.has(field));
  try {
    if ('execute' in op.executor) op.executor.execute(block, recorder);
    else if ('question' in op.executor) {
      const taken = await answerAll(op, op.executor, block, recorder, ask);
      // What hosted simulators are asked is no inference.
      usage = modelStep(op.spec) === undefined ? undefined : taken;
    } else throw new MizuError('INTERNAL', `step '${op.spec.id}' is keyed and can't run on a block`);
  } catch (error) {
    if (error instanceof MizuError) throw ofStep(error, op.spec.id);
    throw new MizuError('INTERNAL', `Step '${op.spec.id}' (${op.spec.op}) failed as a whole: ${messageOf(error)}`, {
      cause: error,
      component: op.spec.id,
      hint: 'This is a defect of the operator, not of the data: please report it with the workflow.',
    });
  }
  const applied = recorder.apply();
  if (op.spec.reads.includes(SOURCE_FIELD.name) && block.has(SOURCE_FIELD.name)) block.remove(SOURCE_FIELD.name);
  return { effectHash: hashEffect(applied.effect), applied, drops: applied.drops, gas: gas + applied.effect.charge, in: live, usage };
}

/** The same error, which names the step if it named nothing. */
function ofStep(error: MizuError, step: string): MizuError {
  if (error.component !== undefined) return error;
  const { code, message, hint, problems } = error;
  return new MizuError(code, message, { cause: error, component: step, problems, ...(hint === undefined ? {} : { hint }) });
}

async function answerAll(
  { requestLimit = Number.POSITIVE_INFINITY }: LoadedOp,
  executor: Extract<Executor, { question: unknown }>,
  block: Block,
  recorder: EffectRecorder,
  ask: AskAll,
): Promise<StepUsage | undefined> {
  const asked: Asked[] = [];
  for (const row of block.rows) {
    const question = executor.question(block, row, recorder);
    if (question === undefined) continue;
    const { length } = question.request;
    if (length <= requestLimit) asked.push({ row, question, draws: [] });
    else recorder.fail(row, 'REQUEST_OVER_BUDGET', `the request has ${length} bytes, and budget.requestBytes allows ${requestLimit}`);
  }
  for (let open = asked; open.length > 0; ) open = await askOnce(executor, block, open, ask, requestLimit);
  // In order of rows, whatever came first: an effect is the same however many draws the rows beside it took.
  const byRow = new Map(asked.map(({ row, draws }) => [row, draws]));
  for (const row of block.rows) {
    const draws = byRow.get(row) ?? [];
    for (const { question, answer } of draws) recorder.answered(row, question.draw, question.request, answer.response);
    const last = draws.at(-1);
    if (last !== undefined) executor.answer(block, row, last.answer, recorder);
    else if (!recorder.hasFailed(row)) executor.unasked?.(block, row, recorder);
  }
  return usageOf(asked);
}

function usageOf(asked: readonly Asked[]): StepUsage | undefined {
  if (asked.length === 0) return undefined;
  let [questions, input, output] = [0, 0, 0];
  for (const { answer } of asked.flatMap(({ draws }) => draws)) {
    questions++;
    input += answer.tokens?.input ?? 0;
    output += answer.tokens?.output ?? 0;
  }
  return { questions, input, output };
}

interface Asked {
  readonly row: number;
  question: Question;
  readonly draws: { readonly question: Question; readonly answer: Answer }[];
}

/** The rows that ask once more. */
async function askOnce(
  executor: Extract<Executor, { question: unknown }>,
  block: Block,
  open: readonly Asked[],
  ask: AskAll,
  requestLimit: number,
): Promise<Asked[]> {
  const answers = await ask(open.map(({ question }) => question));
  invariant(answers.length === open.length, 'every question has one answer');
  const again: Asked[] = [];
  open.forEach((one, n) => {
    const answer = answers[n];
    invariant(answer !== undefined, 'every question has one answer');
    one.draws.push({ question: one.question, answer });
    const next = executor.further?.(block, one.row, answer, one.question);
    // Its seed may have some digits more.
    if (next === undefined || next.request.length > requestLimit) return;
    one.question = next;
    again.push(one);
  });
  return again;
}
