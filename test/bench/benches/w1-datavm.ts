/**
 * What the DataVM alone costs on W1: every record through the source stage and the keyed stage on one thread, without log, worker threads or
 * roles. `bytes` names all that was made (leaves, frames, deltas, published records, drops): it must not change when only speed should.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Program, Schema, StepMachine } from '../../../engine/index.ts';
import { ByteReader, decodeFrame, globalStorage, recordCodec, StepMachine as Steps, TaskMachine } from '#engine';
import type { CompiledFile } from '#topologies';
import { compileFile, registry, temporaryStorage } from '#topologies';
import type { Bench, BenchOptions } from '../harness/bench.ts';
import type { Side } from '../harness/result.ts';
import { machine, summarise } from '../harness/result.ts';
import { w1File, w1Reference, WORKFLOW_FILE } from '../w1/data.ts';
import type { W1Output } from '../w1/reference.ts';
import { W1Check } from '../w1/reference.ts';

const DEFAULT_RECORDS = 200_000;
const KEYED_STAGE = 1;

export const w1Datavm: Bench = async (options) => {
  const file = w1File(options.records ?? DEFAULT_RECORDS);
  const compiled = await compileFile(WORKFLOW_FILE, [`generate[0].read.path=${file}`]);
  const reference = await w1Reference(file);
  const lines = linesOf(readFileSync(file));
  const runs: Side[] = [];
  for (let n = 0; n < options.repeat; n++) runs.push(await runOnce(compiled, lines, new W1Check(reference), options));
  const { name: _, ...own } = summarise(runs);
  return { bench: 'w1-datavm', machine: machine(), repeat: options.repeat, ...own, peers: [], notes: [] };
};

function linesOf(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

async function runOnce(compiled: CompiledFile, lines: readonly Uint8Array[], check: W1Check, options: BenchOptions): Promise<Side> {
  const { program, digest } = compiled;
  const local = temporaryStorage();
  options.cleanup.add(() => local.close());
  const context = { program, registry, storage: globalStorage(compiled.data.values()), local, expectedRecords: lines.length };
  const tasks = await TaskMachine.open(context, digest);
  const partitions = program.stages[KEYED_STAGE]?.partitions ?? 0;
  const steps: StepMachine[] = [];
  for (let p = 0; p < partitions; p++) steps.push(await Steps.open(context, digest, KEYED_STAGE, p));
  const meter = new Meter();
  const read = outputReader(program);
  const hash = createHash('sha256');
  for (let k = 0; k * program.task.size < lines.length; k++) {
    const first = k * program.task.size;
    const records = lines.slice(first, first + program.task.size);
    const task = await meter.measure('source', () => tasks.execute({ k, first, count: records.length, records, poison: [] }, noAnswers));
    for (const leaf of task.leaves) hash.update(leaf);
    for (const [p, step] of steps.entries()) {
      const frame = task.frames[p] ?? new Uint8Array(0);
      hash.update(frame);
      const output = await meter.measure('keyed', () => step.execute(k, [decodeFrame(frame)]));
      for (const bytes of [...output.leaves, ...output.deltas]) hash.update(bytes);
      for (const { record } of output.published) {
        hash.update(record);
        check.output(read(record));
      }
      for (const drop of output.drops) if (drop.kind === 'failed') check.deadLetter();
    }
  }
  for (const step of steps) step.close();
  process.stderr.write(`bytes ${hash.digest('hex')}\n`);
  return meter.side(lines.length, check);
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
