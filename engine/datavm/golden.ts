/** Executes the documented examples of an operator through the kernel, so that what the reference shows is what happens. */
import { MizuError } from '../contract/errors.ts';
import { digestHex } from '../contract/ids.ts';
import type { Answer } from '../contract/inference.ts';
import type { GoldenCase, Operator, OpPlan, PlanContext, Registry, SourceInfo } from '../contract/operator.ts';
import type { Measured } from '../contract/executor.ts';
import type { OpSpec } from '../contract/program.ts';
import type { DataSet, KeyIndex, LocalStorage, Winner } from '../contract/storage.ts';
import type { Field, FieldType, Row, Schema, Value } from '../contract/types.ts';
import { lookUpField } from '../compile/field-type.ts';
import { isHidden, SOURCE_FIELD } from '../compile/kernel-fields.ts';
import { opDigest, questionDigest } from '../compile/op-digest.ts';
import { ByteWriter } from '../proof/byte-writer.ts';
import type { Drop } from '../proof/effect.ts';
import { canonicalBytes } from '../proof/jcs.ts';
import { sha256 } from '../proof/sha256.ts';
import { recordCodec } from '../proof/value-codec.ts';
import { dataSetDigest } from '../workflow/data-set.ts';
import { describeInference, inferType } from '../workflow/infer-type.ts';
import { nearest } from '../workflow/nearest.ts';
import { Batch } from './batch.ts';
import { decodeRecords } from './block.ts';
import { seededDraws } from './draws.ts';
import { FrameBuilder } from './frame-builder.ts';
import { KeyedRecorder } from './keyed-recorder.ts';
import type { LoadedOp } from './op-runner.ts';
import { headOf, runOp } from './op-runner.ts';

export type GoldenOutcome =
  | { readonly row: Row }
  | { readonly rejected: { readonly measured?: Measured; readonly limit?: Measured } }
  | { readonly failed: string }
  | { readonly duplicate: Winner };

/** Seed of golden cases: their draws are part of the documentation. */
export const GOLDEN_SEED = 7;

/** What becomes of each input row, in order. @throws WORKFLOW_INVALID when the operator refuses the case's parameters. */
export async function runGoldenCase(registry: Registry, operator: Operator, golden: GoldenCase): Promise<readonly GoldenOutcome[]> {
  const schema = golden.schema ?? schemaOf(golden.input);
  const data = new Map(Object.entries(golden.data ?? {}).map(([name, value]) => [name, dataSetOf(name, value)]));
  const records = golden.input.map((row) => encode(schema, row));
  const block = decodeRecords(
    0,
    Uint32Array.from(golden.input, (_, row) => row),
    schema,
    (row) => records[row] ?? new Uint8Array(0),
  );
  const params = operator.params.parse(golden.params);
  const problems: string[] = [];
  const plans = operator.plan(params, planContext(registry, operator, params, schema, data, golden, problems));
  if (problems.length > 0)
    throw new MizuError('WORKFLOW_INVALID', `Golden case '${golden.title}' of '${operator.name}': ${problems.join('; ')}`);
  const drops: Drop[] = [];
  let asked = 0;
  for (const [index, plan] of plans.entries()) {
    const name = plan.op ?? operator.name;
    const executing = registry.operators.find((candidate) => candidate.name === name) ?? operator;
    const spec: OpSpec = {
      id: stepId(operator.defaultId(params), plan),
      op: name,
      version: executing.version,
      kind: executing.kind,
      params: plan.params,
      reads: plan.note !== undefined && block.has(plan.note) ? [...plan.reads, plan.note] : plan.reads,
      writes: plan.note === undefined ? plan.writes : [{ name: plan.note, type: { optional: 'string' } }, ...plan.writes],
      data: plan.data ?? [],
      onFail: plan.onFail ?? 'drop',
      storage: 'local',
    };
    const op = await load(registry, executing, spec, index, [...data.values()]);
    if ('step' in op.executor) {
      const kept = runKeyed(
        op,
        golden.input.map((_, row) => row).filter((row) => block.rows.includes(row)),
        schema,
        records,
        drops,
      );
      const gone = new Uint8Array(block.length).fill(1);
      for (const row of kept) gone[row] = 0;
      block.drop(gone);
    } else {
      const result = await runOp(op, block, async (questions) => questions.map(() => answerOf(golden, asked++)));
      drops.push(...result.drops);
    }
  }
  return golden.input.map((_, row) =>
    outcomeOf(
      block.rows.includes(row),
      () => showRow(block, row),
      drops.find((drop) => drop.i === row),
    ),
  );
}

function outcomeOf(kept: boolean, row: () => Row, drop: Drop | undefined): GoldenOutcome {
  if (kept || drop === undefined) return { row: row() };
  if (drop.kind === 'failed') return { failed: drop.code };
  if (drop.kind === 'duplicate') return { duplicate: drop.winner ?? { k: 0, i: 0 } };
  return {
    rejected: {
      ...(drop.measured === undefined ? {} : { measured: drop.measured }),
      ...(drop.limit === undefined ? {} : { limit: drop.limit }),
    },
  };
}

function showRow(block: ReturnType<typeof decodeRecords>, row: number): Row {
  block.visible = block.schema.map((field) => field.name).filter((name) => !isHidden(name));
  return { ...block.row(row) };
}

function runKeyed(op: LoadedOp, rows: readonly number[], schema: Schema, records: readonly Uint8Array[], drops: Drop[]): number[] {
  if (!('step' in op.executor)) return [...rows];
  const by = op.operator.keyed?.by(op.spec.params) ?? [];
  const builder = new FrameBuilder(1);
  const block = decodeRecords(
    0,
    Uint32Array.from(records, (_, row) => row),
    schema,
    (row) => records[row] ?? new Uint8Array(0),
  );
  const writer = new ByteWriter();
  for (const row of rows) {
    block.encodeRow(
      writer,
      by.map((name) => ({ name, type: block.typeOf(name) })),
      row,
    );
    builder.addRecord(row, records[row] ?? new Uint8Array(0), by.length === 0 ? undefined : sha256(writer.take()));
    writer.clear();
  }
  const batch = new Batch(0, builder.finish(0, 0), schema, 0);
  batch.show([...new Set(op.spec.reads.map(headOf))]);
  const recorder = new KeyedRecorder(batch, { stage: 1, op: 0, step: op.spec.id, rule: op.spec.op });
  const delta = op.executor.step(batch, recorder);
  op.executor.apply(delta);
  drops.push(...recorder.finish(delta).drops);
  batch.drop(recorder.gone);
  return [...batch.rows].map((row) => batch.candidate(row));
}

async function load(registry: Registry, operator: Operator, spec: OpSpec, index: number, data: readonly DataSet[]): Promise<LoadedOp> {
  const digest = opDigest(spec);
  const storage = {
    data: (wanted: string): DataSet => {
      const set = data.find((candidate) => candidate.digest === wanted);
      if (set === undefined) throw new MizuError('NOT_FOUND', `Golden case has no data set ${wanted}`);
      return set;
    },
  };
  const draws = seededDraws(GOLDEN_SEED, spec.id);
  const env = {
    storage,
    local: MEMORY_STORAGE,
    draws,
    drawsFor: () => draws,
    engines: registry.engines,
    questionDigest: questionDigest(spec),
    program: { accept: undefined, expectedRecords: 1000 },
  };
  return { spec, operator, executor: await operator.open(spec, env), digest, index, stage: 0, sizes: new Map() };
}

/** Local storage of a golden case: a map, the plain thing that the exact index must agree with. */
const MEMORY_STORAGE: LocalStorage = {
  openKeyIndex: () => {
    const winners = new Map<string, Winner>();
    const index: KeyIndex = {
      get: (key) => winners.get(Buffer.from(key).toString('hex')),
      addAll: (keys, ks, is) => {
        for (let n = 0; n < ks.length; n++)
          winners.set(Buffer.from(keys.subarray(n * 32, n * 32 + 32)).toString('hex'), { k: ks[n] ?? 0, i: is[n] ?? 0 });
      },
      forgetBelow: (k) => {
        for (const [name, winner] of winners) if (winner.k < k) winners.delete(name);
      },
      get size() {
        return winners.size;
      },
      bytes: () => ({ memory: winners.size * 100, disk: 0 }),
      close: () => winners.clear(),
    };
    return index;
  },
  close: async () => {},
};

function encode(schema: Schema, row: Row): Uint8Array {
  const writer = new ByteWriter();
  recordCodec(schema).encode(writer, { ...row });
  return writer.take();
}

function schemaOf(rows: readonly Row[]): Schema {
  const [first] = rows;
  if (first === undefined) return [];
  return Object.keys(first).map(
    (name): Field => ({
      name,
      type: typeOf(
        rows.map((row) => row[name] ?? null),
        name,
      ),
    }),
  );
}

function typeOf(values: readonly Value[], what: string): FieldType {
  if (values.every((value) => value instanceof Uint8Array)) return 'bytes';
  const inference = inferType(values);
  if ('type' in inference) return inference.type;
  throw new MizuError('WORKFLOW_INVALID', `Golden case: '${what}' ${describeInference(inference)}`);
}

function dataSetOf(name: string, content: readonly Value[] | { readonly [key: string]: Value }): DataSet {
  if (Array.isArray(content)) {
    const list = { kind: 'list' as const, type: typeOf(content, name), values: content as readonly Value[] };
    return { ...list, digest: digestHex(dataSetDigest(list)) };
  }
  const keys = Object.keys(content).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const values = keys.map((key) => (content as { readonly [key: string]: Value })[key] ?? null);
  const map = { kind: 'map' as const, type: typeOf(values, name), keys, values };
  return { ...map, digest: digestHex(dataSetDigest(map)) };
}

function sourceOf(rows: readonly Row[]): SourceInfo | undefined {
  const sample = rows.map((row) => row[SOURCE_FIELD.name]).filter((value) => value instanceof Uint8Array);
  if (sample.length === 0) return undefined;
  return { format: 'jsonl', records: sample.length, digest: digestHex('0'.repeat(64)), sample };
}

function answerOf(golden: GoldenCase, n: number): Answer {
  const answer = golden.answers?.[n];
  if (answer === undefined) throw new MizuError('WORKFLOW_INVALID', `Golden case '${golden.title}' has no answer for question ${n}`);
  if ('response' in answer) return { kind: 'answer', response: canonicalBytes(answer.response) };
  return { kind: 'failure', code: answer.failure, message: answer.message, response: new Uint8Array(0) };
}

function stepId(id: string, { suffix = '' }: OpPlan): string {
  return suffix === '' ? id : `${id}.${suffix}`;
}

function planContext(
  registry: Registry,
  operator: Operator,
  params: unknown,
  schema: Schema,
  data: ReadonlyMap<string, DataSet>,
  golden: GoldenCase,
  problems: string[],
): PlanContext {
  const report = (at: string, message: string): undefined => {
    problems.push(`${at}: ${message}`);
    return undefined;
  };
  const step = operator.defaultId(params);
  return {
    schema,
    step,
    file: (path) => {
      const text = golden.files?.[path];
      return text === undefined ? report('', `there is no file '${path}'`) : Buffer.from(text);
    },
    rule: (rule, at) => {
      const [name, inner] = Object.entries(rule ?? {})[0] ?? ['', null];
      const known = registry.operators.find((candidate) => candidate.name === name && candidate.group === 'rule');
      if (known === undefined) return report(at, `there is no rule '${name}'`);
      const { field } = inner as { readonly field?: string };
      return {
        op: name,
        field,
        plans: known.plan(known.params.parse(inner), planContext(registry, operator, params, schema, data, golden, problems)),
      };
    },
    fieldType: (path, at) => {
      const found = lookUpField(schema, path);
      return 'type' in found ? found.type : report(at, `there is no field '${path}'`);
    },
    data: (name, at) => data.get(name) ?? report(at, `there is no data set '${name}'`),
    source: sourceOf(golden.input),
    models: golden.models ?? [],
    engines: registry.engines,
    problem: (at, message) => void report(at, message),
    warning: () => undefined,
    nearest,
  };
}
