/**
 * The DataVM alone on W1: every record through the source stage and the keyed stage on one thread, without log, worker threads or roles.
 */
import { createHash } from 'node:crypto';
import type { Program, Schema, StepMachine } from '#engine';
import { ByteReader, decodeFrame, globalStorage, recordCodec, StepMachine as Steps, TaskMachine } from '#engine';
import type { CompiledFile } from '#topologies';
import { registry, temporaryStorage } from '#topologies';
import { encodeDrop } from '../../../engine/proof/effect.ts';
import type { Cleanup } from '../harness/cleanup.ts';
import type { Side } from '../harness/result.ts';
import type { W1Check, W1Output } from '../w1/reference.ts';

const KEYED_STAGE = 1;

export interface DatavmPlay {
  readonly side: Side;
  /** Names all that was made (leaves, frames, deltas, published records, drops): it must not change when only speed should. */
  readonly bytes: string;
  /** Names the published records and the drops alone. */
  readonly records: string;
  readonly leaves: number;
}

export async function playDatavm(
  compiled: CompiledFile,
  lines: readonly Uint8Array[],
  check: W1Check,
  cleanup: Cleanup,
): Promise<DatavmPlay> {
  const { program, digest } = compiled;
  const local = temporaryStorage();
  cleanup.add(() => local.close());
  const context = { program, registry, storage: globalStorage(compiled.data.values()), local, expectedRecords: lines.length };
  const tasks = await TaskMachine.open(context, digest);
  const partitions = program.stages[KEYED_STAGE]?.partitions ?? 0;
  const steps: StepMachine[] = [];
  for (let p = 0; p < partitions; p++) steps.push(await Steps.open(context, digest, KEYED_STAGE, p));
  const meter = new Meter();
  const read = outputReader(program);
  const [all, made] = [createHash('sha256'), createHash('sha256')];
  let leaves = 0;
  for (let k = 0; k * program.task.size < lines.length; k++) {
    const first = k * program.task.size;
    const records = lines.slice(first, first + program.task.size);
    const task = await meter.measure('source', () => tasks.execute({ k, first, count: records.length, records, poison: [] }, noAnswers));
    for (const leaf of task.leaves) all.update(leaf);
    leaves += task.leaves.length;
    for (const [p, step] of steps.entries()) {
      const frame = task.frames[p] ?? new Uint8Array(0);
      all.update(frame);
      const output = await meter.measure('keyed', () => step.execute(k, [decodeFrame(frame)]));
      leaves += output.leaves.length;
      for (const bytes of [...output.leaves, ...output.deltas]) all.update(bytes);
      for (const { record } of output.published) {
        all.update(record);
        made.update(record);
        check.output(read(record));
      }
      for (const drop of output.drops) {
        made.update(encodeDrop(drop));
        if (drop.kind === 'failed') check.deadLetter();
      }
    }
  }
  for (const step of steps) step.close();
  return { side: meter.side(lines.length, check), bytes: all.digest('hex'), records: made.digest('hex'), leaves };
}

const noAnswers = async (): Promise<readonly never[]> => [];

function outputReader(program: Program): (record: Uint8Array) => W1Output {
  const schema: Schema = program.stages.at(-1)?.output ?? [];
  const codec = recordCodec(schema);
  return (record) => codec.decode(new ByteReader(record)) as unknown as W1Output;
}

class Meter {
  private readonly cpuMicros = new Map<string, number>();
  private wallMs = 0;

  async measure<T>(part: string, work: () => Promise<T>): Promise<T> {
    const before = process.cpuUsage();
    const started = performance.now();
    const result = await work();
    this.wallMs += performance.now() - started;
    const { user, system } = process.cpuUsage(before);
    this.cpuMicros.set(part, (this.cpuMicros.get(part) ?? 0) + user + system);
    return result;
  }

  side(records: number, check: W1Check): Side {
    const figures = Object.fromEntries([...this.cpuMicros].map(([part, micros]) => [`${part}, CPU-s per million`, micros / records]));
    const total = [...this.cpuMicros.values()].reduce((sum, micros) => sum + micros, 0);
    return {
      name: 'mizu',
      recordsPerSecond: (records * 1000) / this.wallMs,
      cpuSecondsPerMillion: total / records,
      figures,
      exact: check.verdict(),
    };
  }
}
