/** What a run says that it paid for is right for the whole run: with all that was recorded before it is every answer there is, however often the run began again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Log, type RunSummary, RunTopics } from '#engine';
import { compileFile, openLog, type RunSpend, runWorkflow } from '#topologies';
import { writeAsking } from '../support/asking-workflow.ts';
import { readAll, rejection } from '../support/log-tools.ts';
import { good, type ModelPeer, openModelPeer } from '../support/model-peer.ts';

const CANDIDATES = 24;
/** What each answer of the peer takes. */
const ANSWER_TOKENS = 18;

let folder: string;
let peer: ModelPeer;
let log: Log;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-spend-'));
  peer = await openModelPeer();
  log = await openLog(join(folder, 'log'), { readOnly: false });
});
afterEach(async () => {
  await log.close();
  await peer.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Life {
  readonly summary: Promise<RunSummary>;
  readonly spends: RunSpend[];
}

async function begin(signal: AbortSignal, newGeneration = false, sets: readonly string[] = []): Promise<Life> {
  const workflow = await compileFile(writeAsking(folder, { url: peer.url, candidates: CANDIDATES, taskSize: 4 }), sets);
  const spends: RunSpend[] = [];
  const onAsked = (spend: RunSpend): void => void spends.push(spend);
  return { summary: runWorkflow(workflow, { log, workers: 1, newGeneration, signal, onAsked }), spends };
}

/** At that call from now on, before it is answered. */
function atCall(number: number, act: () => Promise<void> | void): void {
  let call = 0;
  peer.always((response, question, asked) => {
    call++;
    if (call !== number) return good(response, question, asked);
    void Promise.resolve(act()).then(() => good(response, question, asked));
  });
}

const recorded = async (generation = 1): Promise<number> =>
  (await readAll(log, new RunTopics({ name: 'tickets', generation }).attestations, 0)).length;

test('interrupted, gone on with, and begun again by the same process: each answer is paid for by one of them, and counted once', async () => {
  const stop = new AbortController();
  atCall(6, () => stop.abort());
  const first = await begin(stop.signal);
  await rejection(first.summary);
  const before = await recorded();
  const calls = peer.calls.length;

  // As a process that began the run at the same moment, lost it, and asked a first question before it noticed.
  atCall(5, async () => (await log.openWriter('tickets/1/gateway')).close());
  const second = await begin(new AbortController().signal);
  expect((await second.summary).accepted).toBe(CANDIDATES);

  const answers = (await recorded()) - before;
  // Calls that were given up count, too: some of them the server never saw.
  expect(first.spends).toEqual([{ calls: expect.any(Number), answers: before, tokens: before * ANSWER_TOKENS, recorded: 0 }]);
  expect(second.spends).toEqual([{ calls: expect.any(Number), answers, tokens: answers * ANSWER_TOKENS, recorded: before }]);
  expect(first.spends[0]?.calls).toBeGreaterThanOrEqual(calls);
  expect(second.spends[0]?.calls).toBeGreaterThanOrEqual(peer.calls.length - calls);
  expect(before).toBeGreaterThan(0);
  // The fenced gateway was answered, and recorded nothing of it.
  expect(peer.calls.length - calls).toBeGreaterThan(answers);
  expect(before + answers).toBe(CANDIDATES);
});

test('another generation with a changed rule pays for nothing, and says that all its answers were recorded before', async () => {
  const signal = new AbortController().signal;
  await (await begin(signal)).summary;
  const again = await begin(signal, true, ['verify[0].length.codepoints=[2,200]']);
  await again.summary;
  expect(again.spends).toEqual([{ calls: 0, answers: 0, tokens: 0, recorded: CANDIDATES }]);
  expect(await recorded(2)).toBe(CANDIDATES);
});
