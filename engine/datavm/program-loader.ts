/** Opens the ops of a stage on this thread: finds each in the registry, checks its version, hands it its draws and storage. */
import { MizuError } from '../contract/errors.ts';
import type { OpEnv } from '../contract/executor.ts';
import type { Registry } from '../contract/operator.ts';
import type { OpSpec, Program, StageSpec } from '../contract/program.ts';
import type { GlobalStorage, LocalStorage } from '../contract/storage.ts';
import type { Field, Schema } from '../contract/types.ts';
import { FLAGS_FIELD, SOURCE_FIELD } from '../compile/kernel-fields.ts';
import { modelStep } from '../compile/token-budget.ts';
import { opDigest, questionDigest } from '../compile/op-digest.ts';
import { canonicalBytes } from '../proof/jcs.ts';
import { sha256 } from '../proof/sha256.ts';
import { drawsFor, seededDraws } from './draws.ts';
import type { LoadedOp } from './op-runner.ts';

export interface LoadContext {
  readonly program: Program;
  readonly registry: Registry;
  readonly storage: GlobalStorage;
  readonly local: LocalStorage;
  /** Records a keyed op's index is sized for. */
  readonly expectedRecords: number;
}

/** Ops that the kernel itself adds to stages, in addition to the author's. */
export type KernelOp = 'source' | 'collect' | 'accept' | 'shuffle' | 'publish';

export function kernelOpDigest(name: KernelOp, params: Parameters<typeof canonicalBytes>[0]): Uint8Array {
  return sha256(canonicalBytes({ op: name, params, version: 1 }));
}

export async function openOps(context: LoadContext, stage: StageSpec): Promise<LoadedOp[]> {
  return Promise.all(stage.ops.map((spec, index) => openOp(context, stage, spec, index)));
}

async function openOp(context: LoadContext, stage: StageSpec, spec: OpSpec, index: number): Promise<LoadedOp> {
  const operator = context.registry.operators.find((candidate) => candidate.name === spec.op);
  if (operator === undefined || operator.version !== spec.version) {
    throw new MizuError(
      'NOT_FOUND',
      `Step '${spec.id}' needs op '${spec.op}' version ${spec.version}, which this installation ${operator === undefined ? 'does not have' : `has as version ${operator.version}`}`,
      {
        component: spec.id,
        hint: 'Run with the version of Mizu that compiled the program, or compile it again as a new generation.',
      },
    );
  }
  const digest = opDigest(spec);
  const draws = seededDraws(context.program.seed, spec.id);
  const env: OpEnv = {
    storage: context.storage,
    local: context.local,
    draws,
    drawsFor: drawsFor(draws, spec.id, spec.random),
    engines: context.registry.engines,
    questionDigest: questionDigest(spec),
    program: { accept: context.program.accept, expectedRecords: context.expectedRecords },
  };
  const requestLimit = modelStep(spec) === undefined ? undefined : context.program.budget.requestBytes;
  return { spec, operator, executor: await operator.open(spec, env), digest, index, stage: stage.index, requestLimit, sizes: new Map() };
}

/**
 * Fields of a record just before an op: those of the stage's input and what earlier ops wrote. A dropped record's bytes
 * are encoded under it. `opIndex` −1 or beyond the ops: before the first, after the last.
 */
export function schemaBefore(program: Program, stageIndex: number, opIndex: number): Schema {
  const stage = program.stages[stageIndex];
  if (stage === undefined) throw new MizuError('NOT_FOUND', `The program has no stage ${stageIndex}`);
  let fields: Field[] = [...stage.input];
  if (stage.kind === 'source' && program.source !== undefined)
    fields = [SOURCE_FIELD, ...fields.filter((f) => f.name !== SOURCE_FIELD.name)];
  const ops = opIndex < 0 ? [] : stage.ops.slice(0, opIndex);
  for (const op of ops) {
    const writes: Field[] = [...(op.onFail === 'flag' ? [FLAGS_FIELD] : []), ...op.writes];
    for (const write of writes) if (!fields.some((f) => f.name === write.name)) fields.push(write);
    if (op.reads.includes(SOURCE_FIELD.name)) fields = fields.filter((f) => f.name !== SOURCE_FIELD.name);
  }
  return fields;
}
