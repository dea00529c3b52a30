/** Shapes of control and result bodies, checked when they are read back: what another version or a broken writer left is refused by name. */
import { z } from 'zod';
import type { Json } from '../contract/program.ts';
import type { ControlBody } from './control-entry.ts';
import type { RequestBody, ResultBody } from './member-entry.ts';
import { FINISH_REASONS } from './finish-reasons.ts';

const whole = z.number().int().nonnegative();
const hex = z.string().regex(/^[0-9a-f]{64}$/);

/** Largest weight of an offer: sums over all members stay far below 2^48, the range of a draw. */
export const WEIGHT_LIMIT = 1_000_000;

const name = z.string().min(1).max(200);
export const OFFER = z.strictObject({
  slots: whole,
  weight: z.number().int().min(1).max(WEIGHT_LIMIT),
  steps: z.boolean(),
  checkpoints: z.boolean(),
  answers: z.boolean(),
  ops: z.array(z.string()),
  models: z.array(z.string()),
  memory: whole,
});
export const RUN_MODE = z.enum(['running', 'paused', 'draining', 'stopped']);
const nodes = z.number().int().min(1);

const usage = z.record(z.string(), z.strictObject({ questions: whole, input: whole, output: whole })).optional();
const cost = { gas: whole, localBytes: whole, globalBytes: whole };
const totals = z.strictObject({
  candidates: whole,
  accepted: whole,
  corrected: whole,
  duplicates: whole,
  failed: whole,
  rejected: z.record(z.string(), whole),
  ...cost,
  usage,
});
const stageTotals = z.strictObject({ ...cost, duplicates: whole, failed: whole });
const memberTotals = z.strictObject({ ...cost, member: z.string() });

const CONTROL = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('open'), owner: z.string(), key: hex, memory: whole.optional() }),
  z.strictObject({
    type: z.literal('cut'),
    k: whole,
    branch: whole,
    first: whole,
    count: whole,
    ranges: z.array(z.tuple([whole, whole, whole])),
  }),
  z.strictObject({ type: z.literal('assign'), k: whole, attempt: whole, node: whole, deadline: whole }),
  z.strictObject({ type: z.literal('lease'), stage: whole, partition: whole, epoch: whole, node: whole }),
  z.strictObject({ type: z.literal('admit'), node: whole, member: name, incarnation: name, key: hex, offer: OFFER, request: whole }),
  z.strictObject({ type: z.literal('lost'), node: whole, reason: z.enum(['silent', 'left', 'replaced']) }),
  z.strictObject({ type: z.literal('appoint'), role: z.enum(['checkpointer', 'gateway']), epoch: whole, node: whole }),
  z.strictObject({ type: z.literal('mode'), mode: RUN_MODE, by: z.string(), request: whole }),
  z.strictObject({ type: z.literal('settings'), nodes, deadlineMs: nodes, memory: whole.optional(), request: whole }),
  z.strictObject({ type: z.literal('confirm'), k: whole, attempt: whole, node: whole, accepted: whole, equal: z.boolean() }),
  z.strictObject({ type: z.literal('tick'), tick: whole }),
  z.strictObject({
    type: z.literal('mark'),
    published: whole,
    totals,
    stages: z.array(stageTotals),
    members: z.array(memberTotals),
    results: z.array(whole),
  }),
  z.strictObject({ type: z.literal('accept'), k: whole, attempt: whole, node: whole, result: hex }),
  z.strictObject({ type: z.literal('dead'), k: whole, attempt: whole, reason: z.string() }),
  z.strictObject({ type: z.literal('probe'), k: whole, probe: whole, from: whole, to: whole, node: whole }),
  z.strictObject({ type: z.literal('probed'), k: whole, probe: whole, outcome: z.enum(['survived', 'died', 'unreachable']) }),
  z.strictObject({ type: z.literal('poison'), k: whole, i: whole }),
  z.strictObject({ type: z.literal('finish'), last: z.number().int().min(-1), reason: z.enum(FINISH_REASONS) }),
  z.strictObject({ type: z.literal('close'), summary: z.json() }),
]);

const RESULT = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('task'),
    k: whole,
    attempt: whole,
    node: whole,
    candidates: whole,
    corrected: whole,
    failed: whole,
    ...cost,
    usage,
    leaves: hex,
  }),
  z.strictObject({
    type: z.literal('step'),
    stage: whole,
    partition: whole,
    k: whole,
    epoch: whole,
    node: whole,
    accepted: whole,
    duplicates: whole,
    failed: whole,
    rejected: z.record(z.string(), whole),
    gas: whole,
    globalBytes: whole,
    reached: z.boolean(),
  }),
  z.strictObject({
    type: z.literal('failed-attempt'),
    k: whole,
    attempt: whole,
    node: whole,
    code: z.string(),
    step: z.string().optional(),
    message: z.string(),
  }),
  z.strictObject({ type: z.literal('probe-result'), k: whole, probe: whole, node: whole, code: z.string(), message: z.string() }),
  z.strictObject({ type: z.literal('heartbeat'), node: whole, incarnation: name, running: whole, waiting: whole, memory: whole }),
  z.strictObject({ type: z.literal('report'), node: whole, stage: whole, partition: whole, reports: z.record(z.string(), z.json()) }),
  z.strictObject({ type: z.literal('sealed'), node: whole, tasks: whole, size: whole, root: hex, verifierKey: z.string() }),
  z.strictObject({ type: z.literal('unanswered'), node: whole, question: hex, code: z.string(), message: z.string() }),
]);

const REQUEST = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('join'), member: name, incarnation: name, key: hex, offer: OFFER }),
  z.strictObject({ type: z.literal('leave'), member: name, incarnation: name }),
  z.strictObject({ type: z.literal('mode'), mode: RUN_MODE, by: z.string() }),
  z.strictObject({ type: z.literal('settings'), nodes, deadlineMs: nodes, memory: whole.optional() }),
]);

export function isRequestBody(body: Json): body is Json & RequestBody {
  return REQUEST.safeParse(body).success;
}

export function isControlBody(body: Json): body is Json & ControlBody {
  return CONTROL.safeParse(body).success;
}

export function isResultBody(body: Json): body is Json & ResultBody {
  return RESULT.safeParse(body).success;
}
