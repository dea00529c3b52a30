/**
 * Mizu as several processes: one with the orchestrator and the checkpointer, and the nodes. All of them are started with `mizu up`, the workflow
 * comes by `mizu deploy`, as a user would do it.
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
/** A live source is cut by time. */
const CUT_EVERY = '50ms';
const DISCOVERY_MS = 100;
const DISCOVERY_LIMIT_MS = 30_000;

const execute = promisify(execFile);

export const mizu: W1Engine = { name: 'mizu', side: 'mizu', form: 'avro', start: startMizu };

async function startMizu(run: W1Run): Promise<RunningEngine> {
  const { kafka, options, id } = run;
  const log = `kafka://${kafka.address}/${id}`;
  // Keys and local storage of this benchmark's network go with its folder.
  const env = { MIZU_HOME: join(kafka.folder, `${id}-home`), KAFKAJS_NO_PARTITIONER_WARNING: '1' };
  const up = (name: string, args: readonly string[]): Child =>
    new Child(
      process.execPath,
      [CLI, 'up', '--log', log, '--id', name, ...args],
      join(kafka.folder, `${id}-${name}.log`),
      options.cleanup,
      env,
    );
  const control = up('control', ['--roles', 'orchestrator,checkpointer']);
  const startNode = (name: string): Child => up(name, ['--roles', 'node', '--workers', String(options.workers)]);
  const nodes = Array.from({ length: options.nodes }, (_, n) => startNode(`n${n + 1}`));
  const startedAt = Date.now();
  await execute(process.execPath, [CLI, 'deploy', writeWorkflow(run), '--log', log, '--nodes', String(options.nodes)], {
    env: { ...process.env, ...env },
  });
  let names = nodes.length;
  const all = (): readonly Child[] => [control, ...nodes];
  return {
    output: await topicOf(run, '.verified'),
    deadLetters: await topicOf(run, '.failed'),
    pids: () => all().map((child) => child.pid),
    startedAt: async () => startedAt,
    check: () => {
      for (const child of all()) child.check();
    },
    async killAndRestart() {
      await nodes.shift()?.kill();
      nodes.push(startNode(`n${++names}`));
    },
    async stop() {
      await Promise.all(all().map((child) => child.stop()));
    },
  };
}

/** W1's workflow with the topic as its source. */
function writeWorkflow({ kafka, id, input, finite }: W1Run): string {
  const file = join(kafka.folder, `${id}.yaml`);
  const fields = 'fields: { id: long, text: string, score: double, category: string }';
  const text = readFileSync(WORKFLOW_FILE, 'utf8')
    .replace(/^ {2}- read:.*$/m, `  - read: { topic: input, format: json, ingest: reference, ${finite ? 'until: end, ' : ''}${fields} }`)
    .replace('labels.json', LABELS_FILE)
    .replace('task: { size: 2048 }', finite ? '$&' : `task: { size: 2048, every: ${CUT_EVERY} }`)
    .replace(/^generate:/m, `sources:\n  input: { topic: ${input}, url: "kafka://${kafka.address}" }\ngenerate:`)
    .replace(/^ {2}- dedup: \{/m, finite ? '$&' : '  - dedup: { unbounded: true,');
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
