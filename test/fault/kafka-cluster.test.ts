/**
 * A cluster of three brokers, each of which is killed while the run goes on (laws 1, 4): with one of three away, leaders, coordinators and controller move, and
 * nothing else may be seen of it. The root is that of a folder on one machine.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { auditRun, type Log, readRun, verifyRun } from '#engine';
import { compileFile, openLog, runWorkflow } from '#topologies';
import '../support/quiet-client.ts';
import { describePart, PART_START_LIMIT_MS } from '../support/parts/describe-part.ts';
import { type StartedBroker, startCluster } from '../support/parts/jvm-broker.ts';
import { withQuickLog } from '../support/run-support.ts';
import { readOutcome } from '../support/run-support-read.ts';
import { ask, closed, deployed, endProcesses, startProcess, until } from '../support/served-run.ts';

const BROKERS = 3;
const TASK_RECORDS = 100;
const TASKS = 300;
const RECORDS = TASKS * TASK_RECORDS;
const LIMIT_MS = 600_000;
/** Tasks that are published while a broker is away. */
const TASKS_AWAY = 8;

const WORKFLOW = `mizu: 1
name: moving
partitions: 3
nodes: 2
task: { size: ${TASK_RECORDS} }
generate:
  - read: { path: records.jsonl, fields: { id: long, text: string } }
verify:
  - dedup: { by: [text] }
`;

describePart('a cluster of several brokers', 'own-kafka', 'kafka', () => {
  const home = process.env['MIZU_HOME'];
  let folder: string;
  let brokers: readonly StartedBroker[] = [];
  const logs: Log[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mizu-cluster-'));
    process.env['MIZU_HOME'] = join(folder, 'home');
    brokers = await startCluster(BROKERS);
  }, PART_START_LIMIT_MS);

  afterAll(async () => {
    await endProcesses();
    for (const log of logs) await log.close();
    for (const broker of brokers) await broker.remove();
    if (home === undefined) delete process.env['MIZU_HOME'];
    else process.env['MIZU_HOME'] = home;
    rmSync(folder, { recursive: true, force: true });
  }, LIMIT_MS);

  async function open(): Promise<Log> {
    const log = await openLog(`kafka://${brokers.map((broker) => broker.brokers).join(',')}/${network}`, { readOnly: false });
    logs.push(log);
    return log;
  }
  const network = `cluster-${randomUUID().slice(0, 8)}`;

  it(
    'is served whichever broker is killed, and comes to the records and the root of one machine',
    async () => {
      const line = (id: number): string => `${JSON.stringify({ id, text: `text ${id % (RECORDS / 2)}${'.'.repeat(id % 50)}` })}\n`;
      writeFileSync(join(folder, 'records.jsonl'), Array.from({ length: RECORDS }, (_, id) => line(id)).join(''));
      writeFileSync(join(folder, 'workflow.yaml'), WORKFLOW);
      const workflow = await compileFile(join(folder, 'workflow.yaml'));

      const log = await open();
      for (const name of ['one', 'two', 'three']) startProcess(await open(), name, ['orchestrator', 'checkpointer', 'node']);
      const { run } = await deployed(log, workflow);
      let done = 0;
      for (const broker of brokers) {
        const { tasks: before } = await until(log, run, (status) => status.tasks.published > done);
        expect(before.published).toBeLessThan(TASKS - TASKS_AWAY);
        await broker.kill();
        await until(log, run, (status) => status.tasks.published >= before.published + TASKS_AWAY);
        // Held, so that it is not over before the others were killed.
        await ask(log, run, 'paused');
        await broker.restart();
        done = (await until(log, run, () => true)).tasks.published;
        await ask(log, run, 'running');
      }
      const summary = await closed(log, run);

      await withQuickLog(async (alone) => {
        const wanted = await runWorkflow(workflow, { log: alone, workers: 1, signal: AbortSignal.timeout(LIMIT_MS) });
        expect(summary.root).toBe(wanted.root);
        expect((await readOutcome(log, 'moving')).bytes).toEqual((await readOutcome(alone, 'moving')).bytes);
      });
      const made = await readRun(log, run.name, run.generation);
      expect(await verifyRun(log, made)).toMatchObject({ ok: true, problems: [], root: summary.root });
      expect((await auditRun(log, made, { folder })).findings).toEqual([]);
    },
    LIMIT_MS,
  );
});
