/**
 * Mizu as several processes: the nodes, and beside them one with the orchestrator and the checkpointer, or one for each. All of them are started with
 * `mizu up`, the workflow comes by `mizu deploy`, as a user would do it.
 */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Child } from '../harness/children.ts';
import { LABELS_FILE, WORKFLOW_FILE } from '../w1/data.ts';
import type { RunningEngine, W1Engine, W1Run } from './engine.ts';

const CLI = join(import.meta.dirname, '../../../cli/main.ts');
/** Candidates of a task where there is no hurry: each costs a commit, a result, a step in every partition. */
const TASK_SIZE = 8192;
/** A live source is cut by time. */
const CUT_EVERY = '100ms';
const DISCOVERY_MS = 100;
const DISCOVERY_LIMIT_MS = 30_000;

const execute = promisify(execFile);

export const mizu: W1Engine = { name: 'mizu', side: 'mizu', form: 'avro', start: (run) => startMizu(run) };

/** What a run may have beyond W1. */
export interface MizuSettings {
  /** Tasks that the dedup of a live run looks back; without it, all of them. */
  readonly window?: number;
  /** Of every topic between source and published records, bytes of a partition. */
  readonly retentionBytes?: number;
  /** A process for each role, and each shows its metrics. */
  readonly apart?: boolean;
}

export interface RunningMizu extends RunningEngine {
  /** Processes by name: the nodes are n1, n2, …; the others are named by their roles. */
  readonly processes: ReadonlyMap<string, Child>;
  /** The result of a command of `mizu` on this log. */
  command(...args: readonly string[]): Promise<unknown>;
}

export async function startMizu(run: W1Run, settings: MizuSettings = {}): Promise<RunningMizu> {
  const { kafka, options, id } = run;
  const log = `kafka://${kafka.address}/${id}`;
  // Keys and local storage of this benchmark's network go with its folder.
  const env = { MIZU_HOME: join(kafka.folder, `${id}-home`), KAFKAJS_NO_PARTITIONER_WARNING: '1' };
  const http = settings.apart === true ? ['--http', '127.0.0.1:0'] : [];
  const up = (name: string, args: readonly string[]): Child =>
    new Child(
      process.execPath,
      [CLI, 'up', '--log', log, '--id', name, ...http, ...args],
      join(kafka.folder, `${id}-${name}.log`),
      options.cleanup,
      env,
    );
  const processes = new Map<string, Child>();
  const controls = settings.apart === true ? ['orchestrator', 'checkpointer'] : ['orchestrator,checkpointer'];
  for (const roles of controls) processes.set(roles, up(roles.replace(',', '-'), ['--roles', roles]));
  let [started, killed] = [0, 0];
  const startNode = (): void => {
    const name = `n${++started}`;
    processes.set(name, up(name, ['--roles', 'node', '--workers', String(options.workers)]));
  };
  for (let n = 0; n < options.nodes; n++) startNode();
  const command = async (...args: readonly string[]): Promise<unknown> => {
    const { stdout } = await execute(process.execPath, [CLI, ...args, '--log', log, '--json'], { env: { ...process.env, ...env } });
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  };
  await command('deploy', writeWorkflow(run, settings), '--nodes', String(options.nodes));
  const all = (): readonly Child[] => [...processes.values()];
  return {
    output: await topicOf(run, '.verified'),
    deadLetters: await topicOf(run, '.failed'),
    processes,
    command,
    pids: () => all().map((child) => child.pid),
    // No record is read before the first of them are cut.
    startedAt: async () => kafka.tool.ask<number>('first', await topicOf(run, '.control'), '"type":"cut"'),
    check: () => {
      for (const child of all()) child.check();
    },
    async killAndRestart() {
      const name = `n${++killed}`;
      await processes.get(name)?.kill();
      processes.delete(name);
      startNode();
    },
    async stop() {
      await Promise.all(all().map((child) => child.stop()));
    },
  };
}

/** W1's workflow with the topic as its source. */
function writeWorkflow({ kafka, id, input, finite }: W1Run, { window, retentionBytes }: MizuSettings): string {
  const file = join(kafka.folder, `${id}.yaml`);
  const fields = 'fields: { id: long, text: string, score: double, category: string }';
  const text = readFileSync(WORKFLOW_FILE, 'utf8')
    .replace(/^ {2}- read:.*$/m, `  - read: { topic: input, format: json, ingest: reference, ${finite ? 'until: end, ' : ''}${fields} }`)
    .replace('labels.json', LABELS_FILE)
    .replace('task: { size: 2048 }', `task: { size: ${finite ? TASK_SIZE : `2048, every: ${CUT_EVERY}`} }`)
    .replace(/^generate:/m, `sources:\n  input: { topic: ${input}, url: "kafka://${kafka.address}" }\ngenerate:`)
    .replace(/^generate:/m, retentionBytes === undefined ? '$&' : `retention: { bytes: ${retentionBytes}B }\n$&`)
    .replace(/^ {2}- dedup: \{/m, finite ? '$&' : `  - dedup: { ${window === undefined ? 'unbounded: true' : `window: ${window}`},`);
  writeFileSync(file, text);
  return file;
}

/** The topic of the run whose name ends so: how a network's topics are named is the connector's business. */
async function topicOf({ kafka, id }: W1Run, suffix: string): Promise<string> {
  for (const end = performance.now() + DISCOVERY_LIMIT_MS; performance.now() < end; await sleep(DISCOVERY_MS)) {
    const topics = await kafka.tool.ask<string[]>('topics', id);
    const found = topics.find((name) => name.endsWith(suffix));
    if (found !== undefined) return found;
  }
  throw new Error(`no topic of ${id} ends in ${suffix}`);
}
