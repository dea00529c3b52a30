/**
 * What differs between two programs, or two deployments, as their authors see it (P12): steps that came, went, moved or changed, with the
 * path of each parameter and both values; settings of the run; the schema that consumers see. Pure, and empty exactly when the digests are equal.
 */
import type { Deployment, Json, OpSpec, Program } from '../contract/program.ts';
import type { Schema } from '../contract/types.ts';
import { describeType } from '../contract/types.ts';
import { canonicalJson, isPlainObject } from '../proof/jcs.ts';
import { formatPath, type Segment } from '../workflow/document-path.ts';
import { toJson } from './to-json.ts';

/** One value that differs; a side that has none is absent. */
export interface ValueChange {
  /** As in `params.words[0]`. */
  readonly path: string;
  readonly before?: Json;
  readonly after?: Json;
}

export interface StepChange {
  /** Step id (P6). */
  readonly step: string;
  /** Operator, the newer one. */
  readonly op: string;
  readonly kind: 'added' | 'removed' | 'moved' | 'changed';
  /** What of it changed; of a moved step what changed besides. */
  readonly values: readonly ValueChange[];
  /** Step before it now; undefined for the first one and for a removed one. */
  readonly behind?: string;
}

export interface ProgramDiff {
  readonly steps: readonly StepChange[];
  /** Seed, count, budget, sizes, source. */
  readonly settings: readonly ValueChange[];
  /** Lists and maps, by name: kind, size, type or content. */
  readonly data: readonly ValueChange[];
  /** Fields of published records: what consumers will notice. */
  readonly published: readonly ValueChange[];
}

export function diffPrograms(before: Program, after: Program): ProgramDiff {
  const steps = stepChanges(opsOf(before), opsOf(after));
  const settings = valueChanges(settingsOf(before), settingsOf(after), []);
  const data = valueChanges(toJson(before.data), toJson(after.data), ['data']);
  const published = schemaChanges(before.published, after.published, 'published');
  const diff = { steps, settings, data, published };
  if (changeCount(diff) > 0 || canonicalJson(toJson(before)) === canonicalJson(toJson(after))) return diff;
  // Nothing that an author names: only how the compiler lays the steps out.
  return { ...diff, settings: valueChanges(layoutOf(before), layoutOf(after), ['stages']) };
}

export function changeCount({ steps, settings, data, published }: ProgramDiff): number {
  return steps.length + settings.length + data.length + published.length;
}

/** Settings that may change while the program stays (compatible). */
export function diffDeployments(before: Deployment, after: Deployment): ValueChange[] {
  return valueChanges(toJson(before), toJson(after), []);
}

interface PlacedOp {
  readonly spec: OpSpec;
  readonly behind: string | undefined;
}

function opsOf(program: Program): Map<string, PlacedOp> {
  const ops = program.stages.flatMap((stage) => stage.ops);
  return new Map(ops.map((spec, n) => [spec.id, { spec, behind: ops[n - 1]?.id }]));
}

/** In the order of the newer program; what was removed comes last. */
function stepChanges(before: ReadonlyMap<string, PlacedOp>, after: ReadonlyMap<string, PlacedOp>): StepChange[] {
  const kept = keptInOrder(
    [...before.keys()].filter((id) => after.has(id)),
    [...after.keys()].filter((id) => before.has(id)),
  );
  const changes: StepChange[] = [];
  for (const [step, { spec, behind }] of after) {
    const old = before.get(step)?.spec;
    const place = behind === undefined ? {} : { behind };
    const values = old === undefined ? [] : opChanges(old, spec);
    if (old === undefined) changes.push({ step, op: spec.op, kind: 'added', values, ...place });
    else if (!kept.has(step)) changes.push({ step, op: spec.op, kind: 'moved', values, ...place });
    else if (values.length > 0) changes.push({ step, op: spec.op, kind: 'changed', values, ...place });
  }
  for (const [step, { spec }] of before) if (!after.has(step)) changes.push({ step, op: spec.op, kind: 'removed', values: [] });
  return changes;
}

/** What the author wrote first; types that follow from other steps only where nothing else differs. Other data is told under `data`. */
function opChanges(before: OpSpec, after: OpSpec): ValueChange[] {
  const written = ({ op, version, params, onFail }: OpSpec): Json => ({ op, version, onFail, params });
  const changes = valueChanges(written(before), written(after), []);
  if (changes.length > 0) return changes;
  return [
    ...valueChanges(toJson(before.reads), toJson(after.reads), ['reads']),
    ...schemaChanges(before.writes, after.writes, 'writes'),
    ...valueChanges(before.storage, after.storage, ['storage']),
  ];
}

/**
 * A longest common subsequence of two orders of the same ids: all others moved. Quadratic in the number of steps, which a workflow
 * limits to some hundreds.
 */
function keptInOrder(before: readonly string[], after: readonly string[]): Set<string> {
  const width = after.length + 1;
  const lengths = new Uint16Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      const longer = Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0);
      lengths[i * width + j] = before[i] === after[j] ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1 : longer;
    }
  }
  const kept = new Set<string>();
  for (let i = 0, j = 0; i < before.length && j < after.length; ) {
    const id = before[i];
    if (id !== undefined && id === after[j]) {
      kept.add(id);
      i++;
      j++;
    } else if ((lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0)) i++;
    else j++;
  }
  return kept;
}

function settingsOf(program: Program): Json {
  const { seed, accept, budget, task, block, source } = program;
  const partitions = program.stages.find((stage) => stage.kind === 'keyed')?.partitions;
  return toJson({ seed, accept, budget, task, block, source, partitions });
}

function layoutOf(program: Program): Json {
  return toJson(program.stages.map(({ ops, ...stage }) => ({ ...stage, ops: ops.map(({ id }) => id) })));
}

function schemaChanges(before: Schema, after: Schema, under: string): ValueChange[] {
  const types = (schema: Schema): Json => Object.fromEntries(schema.map(({ name, type }) => [name, describeType(type)]));
  const changes = valueChanges(types(before), types(after), [under]);
  const names = (schema: Schema): Json => schema.map(({ name }) => name);
  return changes.length > 0 ? changes : valueChanges(names(before), names(after), [under]);
}

/** Paths of the values that differ. A list of plain values, or one of another length, is one value: an item that is put in moves all behind it. */
function valueChanges(before: Json | undefined, after: Json | undefined, path: readonly Segment[]): ValueChange[] {
  if (before === undefined && after === undefined) return [];
  if (before !== undefined && after !== undefined) {
    if (isPlainObject(before) && isPlainObject(after)) {
      const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
      return keys.flatMap((key) => valueChanges(before[key], after[key], [...path, key]));
    }
    if (canonicalJson(before) === canonicalJson(after)) return [];
    if (Array.isArray(before) && Array.isArray(after) && before.length === after.length && before.some((item) => typeof item === 'object'))
      return before.flatMap((item, n) => valueChanges(item, after[n], [...path, n]));
  }
  return [{ path: formatPath(path), ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }];
}
