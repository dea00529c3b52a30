/**
 * The shipped workflow `support-tickets` with the real small model: an exact count, signed answers, and a check and a replay with no server. The text is
 * real but poor, so what is asserted is form, counts, signatures and replay, never taste. Run by `npm run test:llm`.
 */
import { fileURLToPath } from 'node:url';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAttestations, RunTopics } from '#engine';
import { openLog, openSigner } from '#topologies';
import { lastObject, mizu } from '../support/cli.ts';
import { type RealModel, type SetUp, setUpModel, startModel } from '../support/real-model.ts';

const FILE = fileURLToPath(new URL('../../topologies/support-tickets/workflow.yaml', import.meta.url));
const RECORDS = Number(process.env['MIZU_LLM_RECORDS'] ?? 6);
const SLOW_MS = 20 * 60_000;

const wanted = process.env['MIZU_LLM'] === '1';
const setUp: SetUp = wanted ? setUpModel() : { missing: '`npm run test:llm`, which asks a real model' };
const reason = 'missing' in setUp ? `missing: ${setUp.missing}`.replaceAll(/[()]/g, ' ') : undefined;

describe.skipIf(reason !== undefined)(`support-tickets with a real model${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let folder: string;
  let model: RealModel;
  beforeAll(async () => {
    if ('missing' in setUp) return;
    folder = mkdtempSync(join(tmpdir(), 'mizu-tickets-llm-'));
    model = await startModel(setUp);
  }, SLOW_MS);
  afterAll(async () => {
    await model?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  test(
    `makes exactly ${RECORDS} records, signs every answer, and is verified and replayed with no server`,
    async () => {
      const log = join(folder, 'log');
      // Few candidates at once: what is written beyond the count is paid for in time here.
      const settings = [`accept=${RECORDS}`, 'task.size=2', `models.writer.url=${model.url}`, `models.judge.url=${model.url}`];
      const run = await mizu(['run', FILE, '--log', log, '--workers', '1', '--json', ...settings.flatMap((set) => ['--set', set])]);
      expect(run.code, run.stderr).toBe(0);
      const summary = lastObject(run);
      expect(summary).toMatchObject({ accepted: RECORDS });
      const rejected = Object.values(summary['rejected'] as Record<string, number>).reduce((sum, count) => sum + count, 0);
      expect(summary['candidates']).toBe(RECORDS + rejected + Number(summary['duplicates']) + Number(summary['failed']));
      await model.close();

      const on = (...args: string[]) => mizu([...args, '--log', log, '--json']);
      const [verify, replay, exported] = [
        await on('verify', 'support-tickets'),
        await on('replay', 'support-tickets'),
        await on('export', 'support-tickets', '--format', 'jsonl', '--out', join(folder, 'data')),
      ];
      expect([verify.code, replay.code, exported.code], verify.stderr + replay.stderr + exported.stderr).toEqual([0, 0, 0]);

      const opened = await openLog(log, { readOnly: true });
      const steps = new Set<string>();
      const topic = new RunTopics({ name: 'support-tickets', generation: 1 }).attestations;
      for await (const { attestation } of readAttestations(opened, topic, [openSigner(opened).publicKey])) {
        steps.add(attestation.step);
        expect(attestation).toMatchObject({ model: { asked: 'smollm2', answered: 'smollm2' }, status: 200 });
        expect(attestation.usage?.completionTokens).toBeGreaterThan(0);
      }
      await opened.close();
      expect([...steps]).toEqual(expect.arrayContaining(['body', 'quality.judge1']));
    },
    SLOW_MS,
  );
});
