/** The ops of a compiled workflow in words, the kernel's own (source, shuffle, accept, publish) among them. */
import type { OpSpec, Program, StageSpec, TopicSource } from '../contract/program.ts';
import { fileSource, topicSource } from '../contract/program.ts';
import type { FieldType, Schema } from '../contract/types.ts';
import type { Compiled, GasRate } from './compile-host.ts';
import { lookUpField } from './field-type.ts';
import { acceptPlace } from './accept-place.ts';

/** What a text, bytes or nested field is taken to hold when gas is estimated, bytes. */
export const NOMINAL_FIELD_BYTES = 256;
const NUMBER_BYTES = 8;

export interface DescribedOp {
  readonly id: string;
  /** Registered operator; the kernel's own are called `kernel`. */
  readonly op: string;
  readonly kind: OpSpec['kind'] | 'kernel';
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** What the kernel's own op does, or an op's special settings, in words. */
  readonly note: string;
  readonly storage: 'local' | 'global';
  readonly gas: GasRate | undefined;
  /** Estimate for one record with fields of nominal size. */
  readonly gasPerRecord: number;
}

export interface DescribedStage {
  readonly stage: StageSpec;
  readonly ops: readonly DescribedOp[];
}

export function describeStages(compiled: Compiled): DescribedStage[] {
  const { program } = compiled;
  return program.stages.map((stage) => {
    let schema: Schema = stage.input;
    const ops: DescribedOp[] = stage.kind === 'source' ? [sourceOp(program)] : [];
    for (const op of stage.ops) {
      ops.push(describeOp(op, schema, compiled.gas.get(op.id)));
      const written = op.writes;
      schema = [...schema.filter((field) => !written.some((w) => w.name === field.name)), ...written];
    }
    if (stage.kind === 'last' && program.accept !== undefined) {
      ops.splice(acceptPlace(stage), 0, kernelOp('accept', `cuts at exactly ${program.accept} records, in order of candidates`, 'global'));
    }
    return { stage, ops: [...ops, closingOp(program, stage)] };
  });
}

function describeOp(op: OpSpec, before: Schema, gas: GasRate | undefined): DescribedOp {
  const types = op.reads.map((path) => ({ path, found: lookUpField(before, path) }));
  const bytes = types.reduce((sum, { found }) => sum + ('type' in found ? nominalBytes(found.type) : NOMINAL_FIELD_BYTES), 0);
  return {
    id: op.id,
    op: op.op,
    kind: op.kind,
    reads: types.map(({ path, found }) => ('type' in found ? `${path}: ${briefType(found.type)}` : path)),
    writes: op.writes.map((field) => `${field.name}: ${briefType(field.type)}`),
    note: op.onFail === 'flag' ? 'flags instead of dropping' : op.onFail === 'note' ? 'notes why instead of dropping' : '',
    storage: op.storage,
    gas,
    gasPerRecord: gas === undefined ? 0 : gas.perRecord + gas.per64Bytes * Math.ceil(bytes / 64),
  };
}

/** As `describeType`, but a record by that word alone: its fields fill pages, and stand in the program. */
function briefType(type: FieldType): string {
  if (typeof type === 'string') return type;
  if ('array' in type) return `list of ${briefType(type.array)}`;
  if ('map' in type) return `map of ${briefType(type.map)}`;
  if ('optional' in type) return `${briefType(type.optional)} or null`;
  return 'record';
}

function nominalBytes(type: FieldType): number {
  return type === 'long' || type === 'double' || type === 'boolean' ? NUMBER_BYTES : NOMINAL_FIELD_BYTES;
}

const kernelOp = (id: string, note: string, storage: 'local' | 'global', writes: readonly string[] = []): DescribedOp => ({
  id,
  op: 'kernel',
  kind: 'kernel',
  reads: [],
  writes,
  note,
  storage,
  gas: undefined,
  gasPerRecord: 0,
});

export function describeTopic({ name, format, ingest, until }: TopicSource): string {
  const how = ingest === 'copy' ? 'copied' : 'by reference';
  return `topic ${name} (${format}, ${how}, ${until === undefined ? 'live' : 'to the end that it had'})`;
}

function sourceOp(program: Program): DescribedOp {
  const topic = topicSource(program);
  if (topic !== undefined) {
    return kernelOp('source', `reads ${describeTopic(topic)}; at most ${program.task.size} records per task`, 'global', ['$source: bytes']);
  }
  const source = fileSource(program);
  if (source === undefined) return kernelOp('source', `makes candidates, ${program.task.size} per task`, 'local');
  return kernelOp('source', `reads ${source.records} ${source.format} records, ${program.task.size} per task`, 'global', [
    '$source: bytes',
  ]);
}

function closingOp(program: Program, stage: StageSpec): DescribedOp {
  const names = (schema: Schema): string => schema.map((field) => field.name).join(', ');
  if (stage.shuffle !== undefined) {
    const { by, partitions } = stage.shuffle;
    const key = by.length === 0 ? 'record digest' : by.join(', ');
    return kernelOp(
      'shuffle',
      `by ${key} to ${partitions} ${partitions === 1 ? 'partition' : 'partitions'}; carries ${names(stage.output) || 'no fields'}`,
      'global',
    );
  }
  return kernelOp('publish', names(program.published), 'global');
}

export function totalGas(stages: readonly DescribedStage[]): number {
  return stages.reduce((sum, { ops }) => sum + ops.reduce((part, op) => part + op.gasPerRecord, 0), 0);
}
