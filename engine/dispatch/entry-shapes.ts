/** Shapes of control and result bodies, checked when they are read back: what another version or a broken writer left is refused by name. */
import { z } from 'zod';
import type { Json } from '../contract/program.ts';
import type { ControlBody, ResultBody } from './control-entry.ts';

const whole = z.number().int().nonnegative();
const hex = z.string().regex(/^[0-9a-f]{64}$/);

const CONTROL = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('open'), owner: z.string(), key: hex }),
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
  z.strictObject({ type: z.literal('tick'), tick: whole }),
  z.strictObject({ type: z.literal('accept'), k: whole, attempt: whole, node: whole, result: hex }),
  z.strictObject({ type: z.literal('dead'), k: whole, attempt: whole, reason: z.string() }),
  z.strictObject({ type: z.literal('probe'), k: whole, probe: whole, from: whole, to: whole, node: whole }),
  z.strictObject({ type: z.literal('probed'), k: whole, probe: whole, outcome: z.enum(['survived', 'died', 'unreachable']) }),
  z.strictObject({ type: z.literal('poison'), k: whole, i: whole }),
  z.strictObject({ type: z.literal('finish'), last: z.number().int().min(-1), reason: z.enum(['accepted', 'exhausted']) }),
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
    gas: whole,
    localBytes: whole,
    globalBytes: whole,
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
  z.strictObject({ type: z.literal('failed-attempt'), k: whole, attempt: whole, node: whole, code: z.string(), message: z.string() }),
  z.strictObject({ type: z.literal('probe-result'), k: whole, probe: whole, node: whole, code: z.string(), message: z.string() }),
]);

export function isControlBody(body: Json): body is Json & ControlBody {
  return CONTROL.safeParse(body).success;
}

export function isResultBody(body: Json): body is Json & ResultBody {
  return RESULT.safeParse(body).success;
}
