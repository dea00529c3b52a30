/**
 * A snapshot of the control fold (P14): its state as canonical JSON, so that a start reads one snapshot and the entries after it instead of
 * the whole log. Equal folds give equal bytes: lists stand in order of number, key or name, and indexes are left out, as they follow from
 * the rest.
 */
import { z } from 'zod';
import { MizuError } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import { toJson } from '../compile/to-json.ts';
import type { MemberState, RoleState } from './control-fold.ts';
import { ControlFold } from './control-fold.ts';
import { OFFER, RUN_MODE } from './entry-shapes.ts';
import { FINISH_REASONS } from './finish-reasons.ts';
import type { TaskState } from './task-state.ts';

/** Version of the form; a reader refuses any other. */
const FORM = 1;

const whole = z.number().int().nonnegative();
const part = z.strictObject({ from: whole, to: whole });
const role = z.strictObject({ epoch: whole, node: whole, incarnation: z.string(), since: whole });
const TASK = z.strictObject({
  cut: z.strictObject({
    type: z.literal('cut'),
    k: whole,
    branch: whole,
    first: whole,
    count: whole,
    ranges: z.array(z.tuple([whole, whole, whole])),
  }),
  live: z.array(z.strictObject({ attempt: whole, node: whole, since: whole, deadline: whole })),
  attempts: whole,
  validFrom: whole,
  died: whole,
  unreachable: whole,
  accepted: z.strictObject({ attempt: whole, node: whole, result: z.string() }).optional(),
  poison: z.array(whole),
  bisection: z.strictObject({ open: z.array(part), deaths: whole, found: z.array(whole) }).optional(),
  probe: z.strictObject({ probe: whole, node: whole, from: whole, to: whole }).optional(),
  probes: whole,
  fruitless: whole,
});
const SNAPSHOT = z.strictObject({
  form: z.literal(FORM),
  tasks: z.array(TASK),
  leases: z.array(z.tuple([z.string(), role])),
  roles: z.array(z.tuple([z.enum(['checkpointer', 'gateway']), role])),
  members: z.array(
    z.strictObject({ node: whole, member: z.string(), incarnation: z.string(), key: z.string(), offer: OFFER, since: whole }),
  ),
  numbers: z.array(z.tuple([z.string(), whole])),
  mode: RUN_MODE,
  modeBy: z.string(),
  settings: z.strictObject({ nodes: whole, deadlineMs: whole }).optional(),
  memory: whole,
  nextRequest: whole,
  nextCut: whole,
  candidates: whole,
  positions: z.array(z.tuple([whole, whole])),
  lastPartition: z.number().int().min(-1),
  tick: whole,
  opens: whole,
  owner: z.string(),
  keys: z.array(z.string()),
  nodes: whole,
  finish: z.strictObject({ last: z.number().int().min(-1), reason: z.enum(FINISH_REASONS) }).optional(),
  close: z.strictObject({ type: z.literal('close'), summary: z.json() }).optional(),
  low: whole,
  paces: z.array(whole),
  copies: z.strictObject({ equal: whole, unequal: whole }),
  unequal: z.array(z.strictObject({ k: whole, attempt: whole, node: whole, accepted: whole })),
});

export function foldToJson(fold: ControlFold): Json {
  const { mode, modeBy, settings, nextRequest, nextCut, candidates, lastPartition, tick, opens, owner, keys, nodes } = fold;
  return toJson({
    form: FORM,
    tasks: [...fold.tasks.values()].sort((a, b) => a.cut.k - b.cut.k),
    leases: entries(fold.leases),
    roles: entries(fold.roles),
    members: [...fold.members.values()].sort((a, b) => a.node - b.node),
    numbers: entries(fold.numbers),
    positions: [...fold.positions].sort(([a], [b]) => a - b),
    ...{ mode, modeBy, settings, nextRequest, nextCut, candidates, lastPartition, tick, opens, owner, keys, nodes },
    ...{ finish: fold.finish, close: fold.close, low: fold.low, paces: fold.paces },
    ...{ memory: fold.memory, copies: fold.copies, unequal: fold.unequal },
  });
}

/** @throws BYTES_INVALID for JSON of another form, naming the first place that is wrong. */
export function foldFromJson(json: Json): ControlFold {
  const parsed = SNAPSHOT.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new MizuError('BYTES_INVALID', `Not a snapshot of control: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`, {
      hint: 'Read the control log from its begin instead.',
    });
  }
  const state = parsed.data;
  const fold = new ControlFold();
  fold.mode = state.mode;
  fold.modeBy = state.modeBy;
  fold.settings = state.settings;
  fold.memory = state.memory;
  fold.nextRequest = state.nextRequest;
  fold.nextCut = state.nextCut;
  fold.candidates = state.candidates;
  fold.lastPartition = state.lastPartition;
  fold.tick = state.tick;
  fold.opens = state.opens;
  fold.owner = state.owner;
  fold.keys = state.keys;
  fold.nodes = state.nodes;
  fold.finish = state.finish;
  fold.close = state.close;
  fold.low = state.low;
  fold.paces.push(...state.paces);
  fold.copies = state.copies;
  fold.unequal.push(...state.unequal);
  for (const [partition, to] of state.positions) fold.positions.set(partition, to);
  for (const [key, value] of state.leases) fold.leases.set(key, value satisfies RoleState);
  for (const [key, value] of state.roles) fold.roles.set(key, value satisfies RoleState);
  for (const [member, node] of state.numbers) fold.putNumber(member, node);
  for (const member of state.members) fold.putMember(member satisfies MemberState);
  for (const task of state.tasks) fold.putTask(task.cut.k, taskOf(task));
  return fold;
}

/** In order of key, by UTF-16 units. */
function entries<V>(map: ReadonlyMap<string, V>): [string, V][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What has no value stands in the state as such, and not in the JSON. */
function taskOf({ accepted, bisection, probe, ...rest }: z.infer<typeof TASK>): TaskState {
  return { ...rest, accepted, bisection, probe };
}
