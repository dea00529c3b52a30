/** Verifiable random numbers by the gateway's way: one proof for each task, recorded, drawn from, checked by verify and replay (laws 1, 7; RFC 9381). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLocalStorage } from '#connectors/embedded';
import {
  type Attestation,
  attestationKey,
  attestRandom,
  type DeployedRun,
  gatewayKeys,
  type Log,
  openAttestation,
  publishedRecords,
  readRun,
  recordedGateway,
  type ReplayReport,
  replayRun,
  type RunSummary,
  RunTopics,
  signAttestation,
  type Signer,
  signerFromSeed,
  signStatement,
  statement,
  verifyRun,
  VRF_PREDICATE_TYPE,
  vrfQuestion,
} from '#engine';
import { compileFile, openLog, openSigner, previewWorkflow, registry, runWorkflow, WORKER_URL } from '#topologies';
import { readAll, rejection } from '../support/log-tools.ts';
import { type StoredEntry, type Tamper, withTampered } from '../support/tamper.ts';

const ANSWERS = { topic: 'lots.1.attestations', partition: 0 };
let folder: string;
let directory: string;
let summary: RunSummary;
let signer: Signer;

function write(step = 'select: { from: names, as: name, random: vrf }', more = ''): string {
  const file = join(folder, 'workflow.yaml');
  writeFileSync(
    file,
    `mizu: 1
name: lots
seed: 7
budget: { candidates: 20 }
task: { size: 4 }
partitions: 2
data: { names: { list: [ann, bob, cem, dea, eva, fox, gil, hal] } }
generate:
  - ${step}
  - random: { as: dice, integer: [1, 6], random: vrf }
${more}publish: { fields: [name, dice] }
`,
  );
  return file;
}

async function run(name: string, workers = 1): Promise<RunSummary> {
  const log = await openLog(join(folder, name), { readOnly: false });
  try {
    const workflow = await compileFile(write());
    return await runWorkflow(workflow, { log, workers, signal: new AbortController().signal });
  } finally {
    await log.close();
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-vrf-'));
  directory = join(folder, 'log');
  summary = await run('log');
  const log = await openLog(directory, { readOnly: false });
  signer = openSigner(log);
  await log.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function replay(log: Log, deployed: DeployedRun): Promise<ReplayReport> {
  const local = openLocalStorage(mkdtempSync(join(folder, 'local-')));
  const topic = new RunTopics(deployed.run).attestations;
  const trustedKeys = await gatewayKeys(log, deployed.run, openSigner(log).publicKey);
  const gateway = await recordedGateway({ log, topic, network: log.network, trustedKeys, local });
  try {
    const signal = new AbortController().signal;
    return await replayRun({ log, run: deployed, registry, local, workerUrl: WORKER_URL, workers: 1, gateway, signal });
  } finally {
    await gateway.close();
    await local.close();
  }
}

const opened = (entry: StoredEntry): Attestation => openAttestation(entry.value, [signer.publicKey]);

describe('a run that draws from verifiable random numbers', () => {
  test('has one proof for each task, and verifies and replays without anybody to ask', async () => {
    expect(summary).toMatchObject({ candidates: 20, accepted: 20, inference: null });
    const log = await openLog(directory, { readOnly: true });
    try {
      const entries = await readAll(log, ANSWERS.topic, 0);
      expect(entries.length).toBe(5);
      const deployed = await readRun(log, 'lots');
      expect((await verifyRun(log, deployed)).problems).toEqual([]);
      expect(await replay(log, deployed)).toMatchObject({ ok: true, candidates: 20 });
    } finally {
      await log.close();
    }
  });

  test('draws what its proofs say: another key draws otherwise, more workers the same', async () => {
    const other = await run('other', 3);
    expect(other.root).not.toBe(summary.root);
    const again = await openLog(directory, { readOnly: false });
    try {
      const workflow = await compileFile(write());
      const second = await runWorkflow(workflow, { log: again, workers: 3, signal: new AbortController().signal });
      expect(second.root).toBe(summary.root);
    } finally {
      await again.close();
    }
  });

  test('uses the recorded proofs again in a new generation with other later steps', async () => {
    await run('generations');
    const log = await openLog(join(folder, 'generations'), { readOnly: false });
    try {
      const rows = async (generation: number): Promise<string[]> => {
        const all = [];
        for await (const { row } of publishedRecords(log, await readRun(log, 'lots', generation))) all.push(JSON.stringify(row));
        return all;
      };
      const workflow = await compileFile(write(undefined, 'verify:\n  - range: { field: dice, min: 1 }\n'));
      await runWorkflow(workflow, { log, workers: 1, newGeneration: true, signal: new AbortController().signal });
      const first = await rows(1);
      expect(first.length).toBe(20);
      expect(await rows(2)).toEqual(first);
    } finally {
      await log.close();
    }
  });
});

describe('proofs that are not those of the run', () => {
  const cases: readonly (readonly [string, string, (entry: StoredEntry, all: readonly StoredEntry[]) => Uint8Array])[] = [
    ['of another input', 'it is not of this key and input', (entry) => forged(opened(entry), { proofOf: 'another input' })],
    ['of another task', 'stands under the key of another question', (_, all) => all[1]?.value ?? new Uint8Array(0)],
    ['whose s is not below the order', 'its s is not below the order of the group', (entry) => forged(opened(entry), { s: 'order' })],
    ['under a key of small order', 'its VRF key is refused', (entry) => forged(opened(entry), { key: `01${'00'.repeat(31)}` })],
    ['under another key', "which is no gateway's", (entry) => forged(opened(entry), { key: 'other' })],
    ['with another beta', 'its beta is not that of its VRF proof', (entry) => forged(opened(entry), { beta: 'ab'.repeat(64) })],
    [
      'signed by another key',
      '0 of 1 trusted keys signed this envelope',
      (entry) => signAttestation(opened(entry), signerFromSeed(new Uint8Array(32).fill(9))),
    ],
  ];
  test.each(cases)('%s are refused by name, by verify and by replay', async (_what, why, forge) => {
    const edit = (entries: StoredEntry[]): StoredEntry[] =>
      entries.map((entry, n) => (n === 0 ? { ...entry, value: forge(entry, entries) } : entry));
    await changed(edit, async (log, deployed) => {
      const { problems } = await verifyRun(log, deployed);
      expect(problems.map(({ message }) => message).join('\n')).toContain(why);
      const replayed = await replay(log, deployed).then(
        (report) => report.mismatch?.message ?? 'replays',
        (error: Error) => error.message,
      );
      expect(replayed).not.toBe('replays');
    });
  });

  test('that are missing are said to be', async () => {
    const edit = (entries: StoredEntry[]): StoredEntry[] => entries.slice(0, -1);
    await changed(edit, async (log, deployed) => {
      const { problems } = await verifyRun(log, deployed);
      expect(problems.some(({ message }) => message.includes('verifiable random numbers are not on the log'))).toBe(true);
      expect(await rejection(replay(log, deployed))).toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    });
  });
});

function changed<T>(edit: (entries: StoredEntry[]) => StoredEntry[], use: (log: Log, run: DeployedRun) => Promise<T>): Promise<T> {
  return withTampered(
    directory,
    (log: Tamper) => log.change(ANSWERS, edit),
    async (log, deployed) => use(log, await deployed()),
    'lots',
  );
}

interface Forgery {
  readonly proofOf?: string;
  readonly s?: 'order';
  readonly key?: string;
  readonly beta?: string;
}

/** An attestation that the gateway's own key signs, with something in it that is not so. */
function forged(attestation: Attestation, { proofOf, s, key, beta }: Forgery): Uint8Array {
  const stranger = signerFromSeed(new Uint8Array(32).fill(9));
  const { network, step, opDigest, candidate, draw, request } = attestation;
  const question = { step, opDigest, candidate, draw, request, model: '$vrf' };
  let honest = attestation;
  if (proofOf !== undefined) honest = { ...attestation, response: attestRandom(network, vrfQuestion(proofOf, 0, 0), signer).response };
  if (key === 'other') honest = attestRandom(network, question, stranger);
  else if (key !== undefined) honest = { ...attestation, model: { ...attestation.model, answered: key } };
  if (s !== undefined) {
    const order = Buffer.from('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010', 'hex');
    honest = { ...attestation, response: Buffer.concat([attestation.response.subarray(0, 48), order]) };
  }
  const envelope = signAttestation(honest, signer);
  if (beta === undefined) return envelope;
  const payload = JSON.parse(Buffer.from(JSON.parse(Buffer.from(envelope).toString('utf8')).payload, 'base64').toString('utf8'));
  return Buffer.from(signStatement(statement(payload.subject, VRF_PREDICATE_TYPE, { ...payload.predicate, beta }), [signer]), 'utf8');
}

test('alpha is the key of the question: network, seed and task', () => {
  const key = (network: string, seed: number, k: number): string =>
    Buffer.from(attestationKey(network, vrfQuestion(seed, k, 4 * k))).toString('hex');
  expect(new Set([key('a', 7, 0), key('b', 7, 0), key('a', 8, 0), key('a', 7, 1)]).size).toBe(4);
});

test('a preview draws, too, and turns over all tasks go with the seed only', async () => {
  const preview = await previewWorkflow(await compileFile(write()), 3, { env: () => undefined, signal: new AbortController().signal });
  expect(preview.records.length).toBe(3);
  const turns = await rejection(compileFile(write('select: { from: names, as: name, random: vrf, each: true }')));
  expect(turns.message).toContain('`each` orders the candidates of all tasks');
  const behind = 'select: { from: names, as: name }\n  - dedup: { by: [name] }\n  - select: { from: names, as: again, random: vrf }';
  const late = await rejection(compileFile(write(behind)));
  expect(late.message).toContain('belong to a task');
});
