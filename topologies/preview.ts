/**
 * Runs the first candidates of a program in this process, through the same machines as a run, and notes what every step did to each.
 * Nothing is written. Steps over all records (dedup, aggregates, the exact count) see the previewed candidates only.
 */
import type {
  Answer,
  Drop,
  Frame,
  Json,
  Measured,
  OpenExternal,
  Program,
  Question,
  Row,
  Schema,
  StoryAnswer,
  TaskObserver,
  TaskOutput,
} from '#engine';
import { ByteReader, decodeFrame, globalStorage, invariant, StepMachine, TaskMachine, topicSource, valueCodec } from '#engine';
import type { CompiledFile } from './compile-file.ts';
import { type PreviewGateway, previewGateway } from './preview-gateway.ts';
import { registry } from './registry.ts';
import { sampleTopic } from './sample-topic.ts';
import type { Environment } from './run-gateway.ts';
import { temporaryStorage } from './temporary-storage.ts';

export interface PreviewStep {
  readonly step: string;
  readonly op: string;
  readonly verdict: 'kept' | 'changed' | 'flagged' | 'rejected' | 'failed' | 'duplicate';
  /** Fields that the step made or changed, as they are after it. */
  readonly fields: Row;
  readonly rule?: string;
  readonly measured?: Measured;
  readonly limit?: Measured;
  readonly code?: string;
  readonly message?: string;
  /** For a duplicate: the candidate that won. */
  readonly winner?: number;
  /** What it asked of models, and what came back, in order of draws. */
  readonly answers: readonly StoryAnswer[];
}

export interface PreviewRecord {
  readonly candidate: number;
  readonly steps: PreviewStep[];
  outcome: 'published' | 'rejected' | 'duplicate' | 'failed';
  /** What would be published. */
  row: Row | undefined;
}

export interface Preview {
  readonly records: readonly PreviewRecord[];
  /** What aggregates found over the previewed records, by step id. */
  readonly reports: Readonly<Record<string, Json>>;
  readonly gas: number;
}

export interface PreviewOptions {
  /** For the keys of models. */
  readonly env: Environment;
  /** Opens the topic of a program that reads one. */
  readonly openExternal?: OpenExternal | undefined;
  readonly signal: AbortSignal;
}

/** @param count candidates; fewer when the source holds fewer. */
export async function previewWorkflow(workflow: CompiledFile, count: number, options: PreviewOptions): Promise<Preview> {
  const { program, digest, data } = workflow;
  const records = await firstRecords(workflow, count, options.openExternal);
  const shown = records?.length ?? Math.min(count, program.budget.candidates ?? count);
  const local = temporaryStorage();
  const { env, signal } = options;
  let gateway: PreviewGateway | undefined;
  try {
    gateway = await previewGateway(workflow, local, env, signal);
    const context = { program, registry, storage: globalStorage([...data.values()]), local, expectedRecords: shown };
    const notes = new Notes(shown);
    const machine = await TaskMachine.open(context, digest);
    const task = { k: 0, first: 0, count: shown, poison: [], ...(records === undefined ? {} : { records, ranges: [] }) };
    const output = await machine.execute(task, (questions) => askAll(gateway, questions, notes, signal), notes.observer);
    return await finish(context, digest, output, notes);
  } finally {
    await gateway?.close();
    await local.close();
  }
}

async function firstRecords(
  workflow: CompiledFile,
  count: number,
  open: OpenExternal | undefined,
): Promise<readonly Uint8Array[] | undefined> {
  if (workflow.program.source === undefined) return undefined;
  if (topicSource(workflow.program) !== undefined) {
    invariant(open !== undefined, 'a preview of a topic is given something to open it with');
    return sampleTopic(workflow, open, count);
  }
  const source = await workflow.source();
  const records: Uint8Array[] = [];
  for await (const batch of source?.records(0) ?? []) {
    // Copies: the batch is there until the next one only.
    records.push(...batch.slice(0, count - records.length).map((record) => Uint8Array.from(record)));
    if (records.length === count) break;
  }
  return records;
}

function askAll(
  gateway: PreviewGateway | undefined,
  questions: readonly Question[],
  notes: Notes,
  signal: AbortSignal,
): Promise<readonly Answer[]> {
  invariant(gateway !== undefined, 'a program that asks has models');
  return Promise.all(
    questions.map(async (question) => {
      const { answer, evidence } = await gateway.ask(question, signal);
      notes.answered(evidence);
      return answer;
    }),
  );
}

/** The keyed stages, each partition once, as step 0. */
async function finish(context: Parameters<typeof TaskMachine.open>[0], digest: string, output: TaskOutput, notes: Notes): Promise<Preview> {
  const { program } = context;
  let frames: (readonly Frame[])[] = [output.frames.map(decodeFrame)];
  let gas = output.gas;
  const reports: Record<string, Json> = {};
  for (const stage of program.stages.slice(1)) {
    const next: Frame[][] = [];
    for (let partition = 0; partition < stage.partitions; partition++) {
      const machine = await StepMachine.open(context, digest, stage.index, partition);
      const step = await machine.execute(
        0,
        frames.flatMap((sent) => sent.filter((frame) => frame.to === partition)),
      );
      gas += step.gas;
      Object.assign(reports, machine.reports());
      next.push(step.frames.map(decodeFrame));
      for (const drop of step.drops) notes.drop(program, drop);
      for (const { i, record } of step.published) notes.publish(program, i, record);
      machine.close();
    }
    frames = next;
  }
  return { records: notes.records, reports, gas };
}

/** What was seen of each candidate. Owned by one preview. */
class Notes {
  readonly records: PreviewRecord[];
  private readonly before: Map<string, string>[];
  /** Of the op at work. */
  private answers: StoryAnswer[] = [];

  constructor(count: number) {
    this.records = Array.from({ length: count }, (_, candidate) => ({ candidate, steps: [], outcome: 'failed', row: undefined }));
    this.before = this.records.map(() => new Map());
  }

  readonly observer: TaskObserver = ({ op, block, result }) => {
    for (const row of block.rows) {
      const fields: Record<string, Row[string]> = {};
      const seen = this.before[block.candidate(row)];
      let changed = false;
      for (const { name } of block.schema) {
        if (name.startsWith('$')) continue;
        const value = block.value(name, row);
        const text = JSON.stringify(value instanceof Uint8Array ? [...value] : value);
        if (seen?.get(name) === text) continue;
        changed ||= seen?.has(name) === true;
        fields[name] = value;
        seen?.set(name, text);
      }
      const flagged =
        op.spec.onFail === 'flag' && 'flags' in fields && Array.isArray(fields['flags']) && fields['flags'].includes(op.spec.id);
      this.records[block.candidate(row)]?.steps.push({
        step: op.spec.id,
        op: op.spec.op,
        verdict: flagged ? 'flagged' : changed ? 'changed' : 'kept',
        fields,
        answers: this.answersTo(op.spec.id, block.candidate(row)),
      });
    }
    for (const drop of result.drops) this.note(drop, op.spec.op);
    this.answers = [];
  };

  answered(answer: StoryAnswer): void {
    this.answers.push(answer);
  }

  private answersTo(step: string, candidate: number): StoryAnswer[] {
    const own = this.answers.filter(({ attestation }) => attestation.step === step && attestation.candidate === candidate);
    return own.sort((a, b) => a.draw - b.draw);
  }

  /** A drop as the publishing stage reports it; those of the source stage were noted when they happened. */
  drop(program: Program, drop: Drop): void {
    if (drop.stage > 0) this.note(drop, program.stages[drop.stage]?.ops[drop.op]?.op ?? drop.step);
  }

  publish(program: Program, i: number, record: Uint8Array): void {
    const target = this.records[i];
    if (target === undefined) return;
    target.outcome = 'published';
    target.row = decodeRow(program.published, record);
  }

  private note(drop: Drop, op: string): void {
    const target = this.records[drop.i];
    if (target === undefined) return;
    target.outcome = drop.kind;
    target.steps.push({
      step: drop.step,
      op,
      verdict: drop.kind,
      fields: {},
      answers: this.answersTo(drop.step, drop.i),
      ...(drop.rule === '' ? {} : { rule: drop.rule }),
      ...(drop.measured === undefined ? {} : { measured: drop.measured }),
      ...(drop.limit === undefined ? {} : { limit: drop.limit }),
      ...(drop.code === '' ? {} : { code: drop.code, message: drop.message }),
      ...(drop.winner === undefined ? {} : { winner: drop.winner.i }),
    });
  }
}

function decodeRow(schema: Schema, record: Uint8Array): Row {
  const reader = new ByteReader(record);
  return Object.fromEntries(schema.map((field) => [field.name, valueCodec(field.type).decode(reader)]));
}
