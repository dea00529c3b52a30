/**
 * `mizu show RECORD`: a record's whole story. Its task is executed again from the log, every step's verdict and changes for this one
 * candidate are taken down, and what the log published of it stands at the end.
 */
import { MizuError } from '../contract/errors.ts';
import type { Answer, Question } from '../contract/inference.ts';
import type { RecordId } from '../contract/ids.ts';
import { formatRecordId } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Measured } from '../contract/executor.ts';
import type { Registry } from '../contract/operator.ts';
import type { OpenExternal } from '../contract/source.ts';
import type { LocalStorage } from '../contract/storage.ts';
import type { Row, Value } from '../contract/types.ts';
import type { Block } from '../datavm/block.ts';
import type { LoadedOp, OpResult } from '../datavm/op-runner.ts';
import { TaskMachine } from '../datavm/task-machine.ts';
import { ByteReader } from '../proof/byte-reader.ts';
import { recordCodec } from '../proof/value-codec.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import type { Evidence, RecordedGateway } from '../runtime/recorded-gateway.ts';
import { loadContext } from '../runtime/run-context.ts';
import { openTaskSource, taskInput } from '../runtime/task-source.ts';
import { RunTopics } from '../runtime/topics.ts';
import { findRecord } from './find-record.ts';
import type { DropView } from './read-published.ts';
import { viewOf } from './read-published.ts';
import { readFacts } from './run-facts.ts';

export interface StoryStep {
  readonly step: string;
  readonly op: string;
  readonly verdict: 'kept' | 'changed' | 'flagged' | 'rejected' | 'failed';
  /** Fields that the step made or changed, with their new values. */
  readonly writes: Readonly<Record<string, Value>>;
  readonly measured: Measured | undefined;
  readonly limit: Measured | undefined;
  readonly message: string;
  /** What the step asked of models for the record, and what came back, in order of draws. */
  readonly answers: readonly StoryAnswer[];
}

/** One question and its signed answer. */
export interface StoryAnswer extends Evidence {
  readonly draw: number;
}

export interface Story {
  readonly id: string;
  /** Candidate index in the run. */
  readonly candidate: number;
  /** Steps of the source stage, executed again. */
  readonly steps: readonly StoryStep[];
  readonly outcome: 'published' | 'rejected' | 'failed' | 'duplicate';
  /** The published record. */
  readonly row: Row | undefined;
  /** Why and where it was dropped; a duplicate names its winner. */
  readonly drop: DropView | undefined;
  /** stage/k of its task, and stage/partition/k of the step that published it. */
  readonly task: string;
  readonly publishedBy: string;
}

export interface StoryOptions {
  readonly log: Log;
  readonly run: DeployedRun;
  readonly id: RecordId;
  readonly registry: Registry;
  readonly local: LocalStorage;
  /** Recorded answers, for programs with external ops. */
  readonly gateway?: RecordedGateway | undefined;
  /** Opens the topic of a program that reads one by reference. */
  readonly external?: OpenExternal | undefined;
  readonly signal: AbortSignal;
}

/** @throws NOT_FOUND when the run has no such record. */
export async function recordStory(options: StoryOptions): Promise<Story> {
  const { log, run, id } = options;
  const topics = new RunTopics(run.run);
  const found = await findRecord(log, run, id);
  const facts = await readFacts(log, topics);
  const task = facts.tasks.get(id.k);
  if (task === undefined) throw new MizuError('LOG_CORRUPT', `${topics.control}: task ${id.k} has no cut`);
  const { cut } = task;
  const source = openTaskSource({ ...run, log, topics }, options.external);
  const records = await source.records(cut).finally(() => source.close());
  const machine = await TaskMachine.open(
    loadContext({ program: run.program, registry: options.registry, local: options.local, data: run.data }),
    run.digest,
  );
  const steps: StoryStep[] = [];
  let answers: StoryAnswer[] = [];
  const ask = async (question: Question): Promise<Answer> => {
    const gateway = gatewayOf(options);
    if (question.candidate === cut.first + id.i) answers.push({ draw: question.draw, ...(await gateway.evidence(question)) });
    return gateway.ask(question, options.signal);
  };
  await machine.execute(
    taskInput(cut, task.poison, records),
    (questions) => Promise.all(questions.map(ask)),
    ({ op, block, result }) => {
      const step = stepOf(op, block, result, id.i, answers);
      if (step !== undefined) steps.push(step);
      answers = [];
    },
  );
  const published = found.task.records[found.index];
  const drop = found.task.drops[found.index - found.task.records.length];
  const view = drop === undefined ? undefined : viewOf(run, id.k, drop);
  return {
    id: formatRecordId(id),
    candidate: cut.first + id.i,
    steps,
    outcome: view?.kind ?? 'published',
    row: published === undefined ? undefined : (recordCodec(run.program.published).decode(new ByteReader(published.record)) as Row),
    drop: view,
    task: `0/${id.k}`,
    publishedBy: `${run.program.stages.length - 1}/${found.partition}/${id.k}`,
  };
}

function gatewayOf(options: StoryOptions): RecordedGateway {
  if (options.gateway !== undefined) return options.gateway;
  throw new MizuError('USAGE', 'The program asks a model; its story needs the recorded answers');
}

/** What one op did to candidate i; undefined when the candidate is not in the block or left before. */
function stepOf(op: LoadedOp, block: Block, result: OpResult, i: number, answers: readonly StoryAnswer[]): StoryStep | undefined {
  const row = block.indices.indexOf(i);
  if (row === -1) return undefined;
  const drop = result.drops.find((candidate) => candidate.i === i);
  const base = { step: op.spec.id, op: op.spec.op, answers };
  if (drop !== undefined) {
    return {
      ...base,
      verdict: drop.kind === 'failed' ? 'failed' : 'rejected',
      writes: {},
      measured: drop.measured,
      limit: drop.limit,
      message: drop.message,
    };
  }
  if (!block.rows.includes(row)) return undefined;
  const written = result.applied.effect.changes.filter((change) => change.rows.includes(row)).map((change) => change.field);
  const writes = Object.fromEntries(written.map((field) => [field, block.value(field, row)]));
  const flagged = result.applied.flaggedRows.includes(row);
  const verdict = flagged ? 'flagged' : result.applied.changedRows.includes(row) ? 'changed' : 'kept';
  return { ...base, verdict, writes, measured: undefined, limit: undefined, message: '' };
}
