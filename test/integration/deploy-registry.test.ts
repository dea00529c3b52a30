/** The schema of published records, from a deployment to a plain consumer: registered once, named in every record, never broken for readers. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { SchemaRegistry as Consumer } from '@kafkajs/confluent-schema-registry';
import { expect, it } from 'vitest';
import type { Log } from '#engine';
import { readRun, RunTopics, verifyRun } from '#engine';
import { type CompiledFile, type DeployedWorkflow, deployWorkflow, type PlannedDeploy, planWorkflow } from '#topologies';
import { verifiedSubject } from '../../topologies/published-schema.ts';
import { lastObject, mizu } from '../support/cli.ts';
import { readAll } from '../support/log-tools.ts';
import { describeRegistry } from '../support/registry-server.ts';
import { runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';

const STUCK_MS = 60_000;
/** Subjects outlive a test, so every one has runs of its own. */
const NAME = `dice-${randomUUID().slice(0, 8)}`;

const files = (fields: string, more = ''): Readonly<Record<string, string>> => ({
  'workflow.yaml': `mizu: 1
name: ${NAME}
budget: { candidates: 60 }
task: { size: 10 }
generate:
  - random: { as: a, integer: [1, 6] }
  - random: { as: b, integer: [1, 6] }
  - template: { as: text, text: "{{a}} of {{b}}" }
publish: { fields: [${fields}] }
${more}`,
});

describeRegistry('a deployment with a schema registry', (registry) => {
  const options = (log: Log) => ({
    log,
    newGeneration: true,
    env: (name: string) => (name === 'MIZU_REGISTRY_URL' ? registry().url : undefined),
    by: 'ann@desk',
    signal: AbortSignal.timeout(STUCK_MS),
  });
  const plan = (log: Log, workflow: CompiledFile): Promise<PlannedDeploy> => planWorkflow(workflow, options(log));
  const deploy = (log: Log, workflow: CompiledFile): Promise<DeployedWorkflow> => deployWorkflow(workflow, options(log));

  /** The level of each generation's subject, as the registry says. */
  async function configsOf({ address, network }: Log): Promise<string[]> {
    const subjects = [1, 2].map((generation) => verifiedSubject({ address, network }, { name: NAME, generation }));
    return Promise.all(subjects.map(async (name) => (await fetch(`${registry().url}/config/${name}`)).text()));
  }

  it('names the schema in every record, and is refused before it writes when readers would break', { timeout: STUCK_MS }, async () => {
    await withQuickLog(async (log, directory) => {
      await withWorkflow(files('a, text'), async (workflow) => {
        await deploy(log, workflow);
        await runCompiled(workflow, { log, order: 1 });
      });
      const run = await readRun(log, NAME);
      expect(run.deployment.schemaId).toEqual(expect.any(Number));
      expect(await verifyRun(log, run)).toMatchObject({ ok: true });
      const consumer = new Consumer({ host: registry().url });
      let records = 0;
      for (let partition = 0; partition < 8; partition++) {
        for (const { value } of await readAll(log, new RunTopics(run.run).verified, partition)) {
          const row: unknown = await consumer.decode(Buffer.from(value));
          expect(row).toEqual({ a: expect.any(Number), text: expect.stringMatching(/^\d of \d$/) });
          records++;
        }
      }
      expect(records).toBe(60);
      await withWorkflow(files('a, text, b'), async (workflow, folder) => {
        const before = await configsOf(log);
        const { plan: more, refusal } = await plan(log, workflow);
        expect(more.program?.published.map(({ path }) => path)).toEqual(['published.b']);
        expect(refusal).toMatchObject({ code: 'SCHEMA_INCOMPATIBLE', problems: [{ path: 'b' }] });
        await expect(deploy(log, workflow)).rejects.toMatchObject({ code: 'SCHEMA_INCOMPATIBLE' });
        expect(await configsOf(log)).toEqual(before);
        const command = ['deploy', join(folder, 'workflow.yaml'), '--new-generation', '--log', directory];
        const told = await mizu(command, { env: { MIZU_REGISTRY_URL: registry().url } });
        expect(told.code).toBe(2);
        expect(told.stdout).toMatch(
          /The program differs from that of .*\+ b: .*Refused: consumers of the published records could not follow/s,
        );
        expect(told.stderr).toContain('field b is new (long) and has no default');
        const json = await mizu([...command, '--dry-run', '--json'], { env: { MIZU_REGISTRY_URL: registry().url } });
        expect([json.code, lastObject(json)]).toEqual([
          2,
          expect.objectContaining({
            ok: false,
            kind: 'changed',
            difference: expect.anything(),
            error: expect.objectContaining({ code: 'SCHEMA_INCOMPATIBLE' }),
          }),
        ]);
        expect(await log.topics(`${NAME}.2.`)).toEqual([]);
      });
      await withWorkflow(files('a', 'nodes: 2\n'), async (workflow) => {
        const { plan: fewer } = await plan(log, workflow);
        expect(fewer.program?.published.map(({ path }) => path)).toEqual(['published.text']);
        expect((await deploy(log, workflow)).run.generation).toBe(2);
      });
    });
  });
});
