/**
 * Cuts a list of ops into stages: at every keyed op of scope `key`, and once before everything that needs all records in one
 * place (P4). Every program ends in a publishing stage (P3). A frame carries only the fields that are still needed.
 */
import type { ShuffleSpec, StageSpec } from '../contract/program.ts';
import type { Field, Schema } from '../contract/types.ts';
import type { ProblemDetails } from '../workflow/place.ts';
import { isHidden, rootOf } from './kernel-fields.ts';
import type { PlannedOp } from './plan-steps.ts';

export interface CutInput {
  readonly ops: readonly PlannedOp[];
  /** Fields of raw records: `$source`, or nothing for a generator. */
  readonly input: Schema;
  readonly published: Schema;
  readonly partitions: number;
  /** The program counts accepted records exactly. */
  readonly accept: boolean;
  readonly problem: (path: string, message: string, details: ProblemDetails) => void;
}

interface Cut {
  readonly kind: StageSpec['kind'];
  readonly by: readonly string[];
  readonly ops: PlannedOp[];
}

export function cutStages(input: CutInput): StageSpec[] {
  const cuts = findCuts(input);
  const stages: StageSpec[] = [];
  let entering = input.input;
  cuts.forEach((cut, index) => {
    const next = cuts[index + 1];
    const leaving = cut.ops.at(-1)?.after ?? entering;
    const output = next === undefined ? input.published : carried(leaving, cuts.slice(index + 1), input.published);
    stages.push({
      index,
      kind: cut.kind,
      partitions: partitionsOf(cut, input),
      input: entering,
      ops: cut.ops.map((op) => op.spec),
      output,
      ...(next === undefined
        ? {}
        : { shuffle: { by: shuffleKey(next, leaving, output), partitions: partitionsOf(next, input) } satisfies ShuffleSpec }),
    });
    entering = output;
  });
  return stages;
}

function partitionsOf(cut: Cut, input: CutInput): number {
  return cut.kind === 'last' ? 1 : input.partitions;
}

function findCuts(input: CutInput): Cut[] {
  const cuts: Cut[] = [];
  let current: Cut = { kind: 'source', by: [], ops: [] };
  cuts.push(current);
  const begin = (kind: Cut['kind'], by: readonly string[]): void => {
    current = { kind, by, ops: [] };
    cuts.push(current);
  };
  for (const op of input.ops) {
    const id = op.spec.id;
    if (op.keyed?.scope === 'key') {
      if (current.kind === 'last')
        input.problem(op.path, `Step '${id}' comes after a step that needs all records in one place`, { hint: 'move it above that step' });
      else begin('keyed', op.keyed.by);
    } else if (op.keyed !== undefined && current.kind !== 'last') {
      begin('last', op.keyed.by);
    } else if (op.keyed !== undefined && op.keyed.by.length > 0 && op.keyed.by.join() !== current.by.join()) {
      input.problem(op.path, `Step '${id}' needs another key (${op.keyed.by.join(', ')}) than the global step before it`, {
        hint: 'give both the same fields',
      });
    } else if (op.spec.kind === 'external' && current.kind !== 'source') {
      input.problem(op.path, `Step '${id}' asks outside, which must be done before records are shuffled`, {
        hint: 'move it above the first dedup, sample or count',
      });
    }
    if (op.spec.random !== undefined && current.kind !== 'source')
      input.problem(op.path, `Step '${id}' draws verifiable random numbers, which belong to a task, and here records of many tasks meet`, {
        hint: 'move it above the first dedup, sample or count, or draw from the seed (`random: hash`)',
      });
    current.ops.push(op);
  }
  if (input.accept && current.kind !== 'last') begin('last', []);
  else if (current.kind === 'source') begin('keyed', []);
  return cuts;
}

/** Fields that travel: published ones, what later ops and shuffles read, and what later ops write over, since whether that changes them is counted. A stage's own key travels as a hash. */
function carried(fields: Schema, later: readonly Cut[], published: Schema): Schema {
  const needed = new Set(published.map((field) => field.name));
  later.forEach((cut, index) => {
    if (index > 0) for (const path of cut.by) needed.add(rootOf(path));
    // A later whole-record key covers every visible field at that point.
    if (index > 0 && cut.kind === 'keyed' && cut.by.length === 0 && cut.ops.length > 0)
      for (const field of fields) if (!isHidden(field.name)) needed.add(field.name);
    for (const op of cut.ops) {
      const hashed = index === 0 && op === cut.ops[0] && op.keyed?.scope === 'key' ? cut.by : [];
      for (const path of op.spec.reads) if (!hashed.includes(path)) needed.add(rootOf(path));
      for (const { name } of op.spec.writes) needed.add(name);
    }
  });
  return fields.filter((field) => needed.has(field.name));
}

/**
 * An author's key without fields is the whole record as it stands there. Where frames carry less than that, the visible
 * fields are named; otherwise the record's own digest serves.
 */
function shuffleKey(next: Cut, leaving: readonly Field[], output: Schema): readonly string[] {
  if (next.by.length > 0 || next.kind === 'last' || next.ops.length === 0) return next.by;
  const visible = leaving.filter((field) => !isHidden(field.name)).map((field) => field.name);
  return visible.join() === output.map((field) => field.name).join() ? [] : visible;
}
