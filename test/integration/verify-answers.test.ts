/** Answers of models are inputs (law 7): a run that asked one is verified and replayed from what the log recorded, with no server and no network. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocalStorage } from '#connectors/embedded';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  canonicalBytes,
  type DeployedRun,
  type RecordedGateway,
  type Log,
  openAttestation,
  readRun,
  type ReplayReport,
  replayRun,
  type RunSummary,
  sha256,
  signAttestation,
  type Signer,
  signerFromSeed,
  toHex,
  verifyRun,
} from '#engine';
import { compileFile, openLog, openSigner, recordedAnswers, registry, runWorkflow, WORKER_URL } from '#topologies';
import { readAll, rejection } from '../support/log-tools.ts';
import { good, openModelPeer, status } from '../support/model-peer.ts';
import { flipped, type StoredEntry, type Tamper, withTampered } from '../support/tamper.ts';
import { storyOf } from '../support/verify-support.ts';

const ANSWERS = { topic: 'tickets.1.attestations', partition: 0 };
let folder: string;
let directory: string;
let summary: RunSummary;
let signer: Signer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-answers-'));
  directory = join(folder, 'log');
  const peer = await openModelPeer();
  const file = join(folder, 'workflow.yaml');
  writeFileSync(
    file,
    `mizu: 1
name: tickets
seed: 7
budget: { candidates: 12 }
task: { size: 4 }
partitions: 2
data: { products: { list: [kettle, lamp, chair, clock] } }
models: { small: { url: "${peer.url}", model: smollm2 } }
generate:
  - select: { from: products, as: product }
  - inference: { as: body, model: small, prompt: "Complain about the {{product}}.", maxTokens: 60, temperature: 0.7 }
verify:
  - length: { field: body, codepoints: [1, 200] }
publish: { fields: [product, body] }
`,
  );
  peer.always((response, call, number) => (number === 3 ? status(400)(response, call, number) : good(response, call, number)));
  const log = await openLog(directory, { readOnly: false });
  summary = await runWorkflow(await compileFile(file), { log, workers: 1, signal: new AbortController().signal });
  signer = openSigner(log);
  await log.close();
  await peer.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function withAnswers<T>(
  log: Log,
  run: DeployedRun,
  use: (gateway: RecordedGateway | undefined, local: ReturnType<typeof openLocalStorage>) => Promise<T>,
): Promise<T> {
  const local = openLocalStorage(mkdtempSync(join(folder, 'local-')));
  try {
    const gateway = await recordedAnswers({ log, run, local });
    return await use(gateway, local).finally(() => gateway?.close());
  } finally {
    await local.close();
  }
}

const replay = (log: Log, run: DeployedRun): Promise<ReplayReport> =>
  withAnswers(log, run, (gateway, local) =>
    replayRun({ log, run, registry, local, gateway, workerUrl: WORKER_URL, workers: 1, signal: new AbortController().signal }),
  );

/** Makes entries of the topic of answers anew. */
function changed<T>(edit: (entries: StoredEntry[]) => StoredEntry[], use: (log: Log, run: DeployedRun) => Promise<T>): Promise<T> {
  return withTampered(
    directory,
    (log: Tamper) => log.change(ANSWERS, edit),
    async (log, run) => use(log, await run()),
    'tickets',
  );
}

const attestationOf = (entry: StoredEntry) => openAttestation(entry.value, [signer.publicKey]);
const answered = (entries: readonly StoredEntry[]): number => entries.findIndex((entry) => attestationOf(entry).outcome.kind === 'answer');

describe('a run that asked a model', () => {
  test('verifies, replays and tells its stories with no server', async () => {
    expect(summary).toMatchObject({ candidates: 12, accepted: 11, failed: 1 });
    const log = await openLog(directory, { readOnly: true });
    const run = await readRun(log, 'tickets');
    const verified = await verifyRun(log, run, { verifierKey: summary.verifierKey });
    expect(verified.problems).toEqual([]);
    expect(await replay(log, run)).toMatchObject({ ok: true, leaves: summary.treeSize, candidates: 12, records: 11 });
    const stories = await withAnswers(log, run, async (gateway) => {
      const all = [];
      for (let n = 0; n < 12; n++) all.push(await storyOf(log, run, `tickets/1/${Math.floor(n / 4)}.${n % 4}`, gateway));
      return all;
    });
    for (const story of stories) {
      const asked = story.steps.find(({ step }) => step === 'body');
      if (story.outcome === 'failed') expect(asked).toMatchObject({ verdict: 'failed', message: expect.stringContaining('400') });
      else expect(asked?.writes['body']).toBe(story.row?.['body']);
    }
    await log.close();
  });

  test('needs the recorded answers, and says so', async () => {
    const log = await openLog(directory, { readOnly: true });
    const run = await readRun(log, 'tickets');
    const local = openLocalStorage(mkdtempSync(join(folder, 'local-')));
    const settings = { log, run, registry, local, workerUrl: WORKER_URL, workers: 1, signal: new AbortController().signal };
    expect(await rejection(replayRun(settings))).toMatchObject({ code: 'USAGE', message: expect.stringContaining('recorded answers') });
    expect(await rejection(storyOf(log, run, 'tickets/1/0.0'))).toMatchObject({ code: 'USAGE' });
    await local.close();
    await log.close();
  });
});

describe('answers that are not those of the run', () => {
  test('a missing one is named by candidate, step and topic', async () => {
    await changed(
      (entries) => entries.filter((entry) => attestationOf(entry).candidate !== 6),
      async (log, run) => {
        expect(await rejection(replay(log, run))).toMatchObject({
          code: 'SOURCE_UNAVAILABLE',
          message: "No answer is recorded for candidate 6, draw 0 of step 'body' in topic 'tickets.1.attestations'",
        });
      },
    );
  });

  test('the hint that names the key is part of what verify checks', async () => {
    const renamed = (value: Uint8Array): Uint8Array => Buffer.from(Buffer.from(value).toString('utf8').replace('"keyid":"', '"keyid":"f'));
    await changed(
      (entries) => entries.map((entry, n) => (n === 4 ? { ...entry, value: renamed(entry.value) } : entry)),
      async (log, run) =>
        expect((await verifyRun(log, run)).problems).toEqual([
          { where: 'tickets.1.attestations, offset 4', message: 'the envelope is not in the form in which it was signed' },
        ]),
    );
  });

  test.each([0.3, 0.98])('a changed byte (at %d of its length) is found by verify and refused by replay', async (share) => {
    await changed(
      (entries) =>
        entries.map((entry, n) => (n === 4 ? { ...entry, value: flipped(entry.value, Math.floor(entry.value.length * share)) } : entry)),
      async (log, run) => {
        const { problems } = await verifyRun(log, run);
        expect(problems.map(({ where }) => where)).toEqual(['tickets.1.attestations, offset 4']);
        expect(await rejection(replay(log, run))).toMatchObject({ code: 'PROOF_INVALID' });
      },
    );
  });

  test('one that another key signed is refused', async () => {
    const stranger = signerFromSeed(new Uint8Array(32).fill(8));
    await changed(
      (entries) => entries.map((entry) => ({ ...entry, value: signAttestation(attestationOf(entry), stranger) })),
      async (log, run) => {
        expect((await verifyRun(log, run)).problems).toHaveLength(12);
        expect(await rejection(replay(log, run))).toMatchObject({ code: 'PROOF_INVALID' });
      },
    );
  });

  /** An answer that was signed, with something else in its payload: digests are made right, the signature is the old one. */
  const forged = (value: Uint8Array, change: (predicate: Record<string, unknown>) => void): Uint8Array => {
    const envelope = JSON.parse(Buffer.from(value).toString('utf8')) as { payload: string };
    const said = JSON.parse(Buffer.from(envelope.payload, 'base64').toString('utf8')) as {
      predicate: Record<string, unknown>;
      subject: { name: string; digest: { sha256: string } }[];
    };
    change(said.predicate);
    for (const { name, digest } of said.subject) digest.sha256 = toHex(sha256(Buffer.from(String(said.predicate[name]), 'base64')));
    const payload = Buffer.from(canonicalBytes(said as never)).toString('base64');
    return canonicalBytes({ ...envelope, payload } as never);
  };
  const response = (predicate: Record<string, unknown>): Buffer => Buffer.from(String(predicate['response']), 'base64');
  const attacks: readonly (readonly [string, (predicate: Record<string, unknown>) => void])[] = [
    [
      'whose answer is the same JSON in another form',
      (p) => (p['response'] = Buffer.from(JSON.stringify(JSON.parse(response(p).toString()), null, 1)).toString('base64')),
    ],
    ['whose answer ends early', (p) => (p['response'] = response(p).subarray(0, -20).toString('base64'))],
    ['that was asked of a lesser model', (p) => (p['model'] = { name: 'small', asked: 'smollm2-mini', answered: 'smollm2-mini' })],
    ['that is said to be of another draw', (p) => (p['draw'] = 1)],
    ['that is said to be of another candidate', (p) => (p['candidate'] = 99)],
    ['that is said to be finished otherwise', (p) => (p['finishReason'] = 'length')],
    ['whose cost is said to be another', (p) => (p['usage'] = { promptTokens: 0, completionTokens: 0, totalTokens: 0 })],
  ];
  test.each(attacks)('one %s is refused by verify and by replay', async (_name, change) => {
    await changed(
      (entries) => entries.map((entry, n) => (n === answered(entries) ? { ...entry, value: forged(entry.value, change) } : entry)),
      async (log, run) => {
        const { problems } = await verifyRun(log, run);
        expect(problems).toEqual([
          {
            where: expect.stringMatching(/^tickets\.1\.attestations, offset \d+$/),
            message: expect.stringContaining('0 of 1 trusted keys'),
          },
        ]);
        const error = await rejection(replay(log, run));
        expect([error.code, error.message]).toEqual(['PROOF_INVALID', expect.stringContaining('0 of 1 trusted keys')]);
      },
    );
  });

  test('one under the key of another question is refused', async () => {
    await changed(
      (entries) => entries.map((entry, n) => (n < 2 ? { ...entry, value: (entries[1 - n] as StoredEntry).value } : entry)),
      async (log, run) => {
        expect((await verifyRun(log, run)).problems[0]).toEqual({
          where: 'tickets.1.attestations, offset 0',
          message: 'the attestation stands under the key of another question',
        });
        const error = await rejection(replay(log, run));
        expect(error.code).toBe('PROOF_INVALID');
        expect(error.message).toContain("in step 'body' is refused: it is of");
      },
    );
  });

  test('the first entry of a key is the answer: a later one changes nothing, an earlier one is a mismatch that is named (P8)', async () => {
    const other = (entry: StoredEntry): StoredEntry => {
      const response = Buffer.from(Buffer.from(attestationOf(entry).response).toString('utf8').replace('Answer', 'Lie'));
      return { ...entry, value: signAttestation({ ...attestationOf(entry), response }, signer) };
    };
    let candidate = -1;
    await changed(
      (entries) => [...entries, other(entries[answered(entries)] as StoredEntry)],
      async (log, run) => {
        expect((await verifyRun(log, run)).problems).toEqual([]);
        expect(await replay(log, run)).toMatchObject({ ok: true });
      },
    );
    await changed(
      (entries) => {
        const entry = entries[answered(entries)] as StoredEntry;
        candidate = attestationOf(entry).candidate;
        return [other(entry), ...entries];
      },
      async (log, run) => {
        const { mismatch } = await replay(log, run);
        const k = Math.floor(candidate / 4);
        expect(mismatch).toMatchObject({ task: `0/${k}`, step: 'body', record: `tickets/1/${k}.${candidate % 4}` });
      },
    );
  });

  test('the log still has each answer once', async () => {
    const log = await openLog(directory, { readOnly: true });
    expect(await readAll(log, ANSWERS.topic, 0)).toHaveLength(12);
    await log.close();
  });
});
