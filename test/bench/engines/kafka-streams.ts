/** The peer: W1 on Kafka Streams, exactly once, in one process with two threads. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../harness/children.ts';
import { LABELS_FILE } from '../w1/data.ts';
import { W1_PARTITIONS } from '../w1/generator.ts';
import type { RunningEngine, W1Engine, W1Run } from './engine.ts';

const COMMIT_MS = 100;
/** A dead member is noticed after this; it bounds how soon another takes over (Kafka's default is 45 s). */
const SESSION_MS = 10_000;
const START_LIMIT_MS = 60_000;

export const kafkaStreams: W1Engine = {
  name: `Kafka Streams, exactly once, commit ${COMMIT_MS} ms`,
  side: 'peer',
  form: 'json',
  async start(run) {
    const [output, deadLetters] = [`${run.id}-out`, `${run.id}-dead`];
    for (const topic of [output, deadLetters]) await run.kafka.tool.ask('create', topic, W1_PARTITIONS);
    let child = launch(run, output, deadLetters, 0);
    let restarts = 0;
    const running: RunningEngine = {
      output,
      deadLetters,
      pids: () => [child.pid],
      startedAt: async () => Number((await child.printed(/FIRST (\d+)/, START_LIMIT_MS))[1]),
      check: () => child.check(),
      async killAndRestart() {
        await child.kill();
        child = launch(run, output, deadLetters, ++restarts);
      },
      stop: () => child.stop(),
    };
    return running;
  },
};

function launch({ kafka, options, id, input }: W1Run, output: string, deadLetters: string, restarts: number): Child {
  const state = join(kafka.folder, `${id}-state`);
  mkdirSync(state, { recursive: true });
  const java = ['-Xms512m', '-Xmx2g', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', kafka.classpath, 'mizu.bench.StreamsPeer'];
  const args = [kafka.address, id, input, output, deadLetters, String(COMMIT_MS), state, LABELS_FILE, `session.timeout.ms=${SESSION_MS}`];
  return new Child('java', [...java, ...args], join(kafka.folder, `${id}-${restarts}.log`), options.cleanup);
}
