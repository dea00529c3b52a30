/**
 * The same laws with a real small model: its text is real but poor, so what is asserted is form, counts, signatures and replay, never taste.
 * Run by `npm run test:llm`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Attestation, fromUtf8, type Log, offset, parseStrictJson, readAttestations, RunTopics, type RunSummary } from '#engine';
import { compileFile, openLog, openSigner, runWorkflow } from '#topologies';
import { rejection } from '../support/log-tools.ts';
import { type RealModel, type SetUp, setUpModel, startModel } from '../support/real-model.ts';
import { replayTasks } from '../support/replay-tasks.ts';

const CANDIDATES = 12;
const TOPIC = new RunTopics({ name: 'notes', generation: 1 }).attestations;
const SLOW_MS = 5 * 60_000;

const wanted = process.env['MIZU_LLM'] === '1';
const setUp: SetUp = wanted ? setUpModel() : { missing: '`npm run test:llm`, which asks a real model' };
const reason = 'missing' in setUp ? `missing: ${setUp.missing}`.replaceAll(/[()]/g, ' ') : undefined;

if (reason !== undefined && process.env['MIZU_REQUIRE_LLM'] === '1') {
  test('the real model can be set up', () => expect(reason).toBeUndefined());
}

describe.skipIf(reason !== undefined)(`a real model answers${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let folder: string;
  let model: RealModel;
  beforeAll(async () => {
    if ('missing' in setUp) return;
    folder = mkdtempSync(join(tmpdir(), 'mizu-llm-'));
    model = await startModel(setUp);
  }, SLOW_MS);
  afterAll(async () => {
    await model?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  async function withLog<T>(use: (log: Log) => Promise<T>): Promise<T> {
    const log = await openLog(join(folder, 'log'), { readOnly: false });
    try {
      return await use(log);
    } finally {
      await log.close();
    }
  }

  async function run(
    log: Log,
    limit: number,
    more: { readonly newGeneration?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<RunSummary> {
    const file = join(folder, 'workflow.yaml');
    writeFileSync(
      file,
      `mizu: 1
name: notes
seed: 11
budget: { candidates: ${CANDIDATES} }
task: { size: 3 }
partitions: 2
data:
  products: { list: [kettle, lamp, garden chair, alarm clock] }
models:
  smollm2: { url: "${model.url}" }
generate:
  - select: { from: products, as: product }
  - inference: { as: note, model: smollm2, prompt: "Write one short sentence about a {{product}}.", maxTokens: 40, temperature: 0.8 }
verify:
  - length: { field: note, codepoints: [1, ${limit}] }
publish: { fields: [product, note] }
`,
    );
    return runWorkflow(await compileFile(file), { log, workers: 2, signal: new AbortController().signal, ...more });
  }

  async function attestations(log: Log): Promise<Attestation[]> {
    const all: Attestation[] = [];
    for await (const { attestation } of readAttestations(log, TOPIC, [openSigner(log).publicKey])) all.push(attestation);
    return all;
  }

  test(
    'an interrupted run goes on: every candidate is asked once, every answer is signed, every record accounted for',
    async () => {
      await withLog(async (log) => {
        const stop = new AbortController();
        const interrupted = rejection(run(log, 400, { signal: stop.signal }));
        // Four answers are in the log: offsets 0 to 3.
        await log.createTopic({ name: TOPIC, partitions: 1, cleanup: 'keep' });
        await log.waitBeyond(TOPIC, 0, offset(3), AbortSignal.timeout(SLOW_MS));
        stop.abort();
        expect((await interrupted).code).toBe('INTERRUPTED');
        const before = await attestations(log);
        expect(before.length).toBeGreaterThan(0);
        expect(before.length).toBeLessThan(CANDIDATES);

        const summary = await run(log, 400);
        const rejected = Object.values(summary.rejected).reduce((sum, count) => sum + count, 0);
        expect(summary.candidates).toBe(CANDIDATES);
        expect(summary.accepted + rejected + summary.duplicates + summary.failed).toBe(CANDIDATES);

        const after = await attestations(log);
        expect(after.slice(0, before.length)).toEqual(before);
        expect(after.map((one) => one.candidate).sort((a, b) => a - b)).toEqual(Array.from({ length: CANDIDATES }, (_, n) => n));
        for (const one of after) {
          expect(one).toMatchObject({
            network: log.network,
            step: 'note',
            draw: 0,
            model: { name: 'smollm2', asked: 'smollm2', answered: 'smollm2' },
            status: 200,
            outcome: { kind: 'answer' },
          });
          expect(['stop', 'length']).toContain(one.finishReason);
          expect(one.usage?.completionTokens).toBeGreaterThan(0);
          expect(one.usage?.completionTokens).toBeLessThanOrEqual(40);
          expect(parseStrictJson(fromUtf8(one.request))).toMatchObject({ max_tokens: 40, temperature: 0.8 });
        }
        // A cut answer is a failed draw, and nothing else fails here.
        expect(summary.failed).toBe(after.filter((one) => one.finishReason === 'length').length);
      });
    },
    SLOW_MS,
  );

  test(
    'with the server gone, a changed rule asks nothing again, and the run replays from its log',
    async () => {
      await withLog(async (log) => {
        await model.close();
        expect(await replayTasks(log, 'notes', join(folder, 'replay'))).toEqual({ frames: 8, same: 8 });
        const summary = await run(log, 120, { newGeneration: true });
        expect(summary.candidates).toBe(CANDIDATES);
        expect(await replayTasks(log, 'notes', join(folder, 'replay'))).toEqual({ frames: 8, same: 8 });
      });
    },
    SLOW_MS,
  );
});
