/**
 * Each byte in turn of everything that proves a small run: a leaf, a tile, a checkpoint, a frame, a published record, a proof file, an attestation. What `verify`
 * sees is found without executing anything; of leaves and published records `replay` names task, op and record (laws 2, 3, 7). One bit of a byte is flipped, drawn by
 * a seed that is printed; MIZU_SEED replays it. A run of the tests takes every STRIDE-th byte from a drawn one on; MIZU_STRIDE=1 takes all, in some minutes.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLocalStorage } from '#connectors/embedded';
import {
  type Answer,
  answerTo,
  type DeployedRun,
  type Log,
  MizuError,
  openAttestation,
  proveRecord,
  type Question,
  parseRecordId,
  readRun,
  type ReplayReport,
  replayRun,
  RunTopics,
  verifyProof,
  verifyRun,
} from '#engine';
import { compileFile, openLog, openSigner, registry, runWorkflow, WORKER_URL } from '#topologies';
import { decodeLeaf } from '../../engine/proof/leaf.ts';
import { decodeLeaves } from '../../engine/runtime/leaf-batch.ts';
import { dice } from '../support/dice.ts';
import { readAll } from '../support/log-tools.ts';
import { good, type ModelPeer, openModelPeer } from '../support/model-peer.ts';
import { LocalExecutor, quickFolder } from '../support/run-support.ts';
import { flipped, type Place } from '../support/tamper.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const STRIDE = Number(process.env['MIZU_STRIDE'] ?? 6);
const LIMIT_MS = 300_000;
const CONFLUENT_BYTES = 5;
const RUN = { name: 'w', generation: 1 } as const;
const topics = new RunTopics(RUN);

let folder: string;
let peer: ModelPeer;
let log: Log;
let run: DeployedRun;
let trusted: Uint8Array;
let answers: ReadonlyMap<number, Uint8Array>;

beforeAll(async () => {
  folder = quickFolder();
  peer = await openModelPeer();
  peer.always((response, call) => good(response, call, call.body.seed));
  const file = join(folder, 'workflow.yaml');
  writeFileSync(
    file,
    `mizu: 1
name: w
seed: 7
budget: { candidates: 2 }
task: { size: 2 }
partitions: 1
models: { small: { url: "${peer.url}", model: smollm2 } }
generate:
  - random: { as: n, integer: [0, 9] }
  - inference: { as: body, model: small, prompt: "Say {{n}}." }
verify:
  - dedup: { by: [n] }
`,
  );
  log = await openLog(join(folder, 'log'), { readOnly: false });
  await runWorkflow(await compileFile(file), { log, workers: 1, signal: new AbortController().signal });
  run = await readRun(log, 'w');
  trusted = openSigner(log).publicKey;
  const recorded = await readAll(log, topics.attestations, 0);
  answers = new Map(recorded.map(({ value }) => [openAttestation(value, [trusted]).candidate, value]));
});
afterAll(async () => {
  await log.close();
  await peer.close();
  rmSync(folder, { recursive: true, force: true });
});

const draw = dice(SEED);

/** The log with one value in the place of another, as somebody with write access to the store would leave it. */
function changed({ topic, partition }: Place, offset: number, value: Uint8Array): Log {
  return new Proxy(log, {
    get(target, name) {
      if (name !== 'read') {
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? member.bind(target) : member;
      }
      return async (...args: Parameters<Log['read']>) => {
        const result = await target.read(...args);
        if (args[0] !== topic || args[1] !== partition) return result;
        return { ...result, entries: result.entries.map((entry) => (entry.offset === offset ? { ...entry, value } : entry)) };
      };
    },
  });
}

/** What `verify` finds, or what it could not even begin with. */
async function found(other: Log): Promise<readonly string[]> {
  try {
    return (await verifyRun(other, run)).problems.map(({ where, message }) => `${where}: ${message}`);
  } catch (error) {
    return [refusalOf(error)];
  }
}

function refusalOf(error: unknown): string {
  if (!(error instanceof MizuError) || error.code === 'INTERNAL') throw error;
  return `${error.code} ${error.message}`;
}

/** Replays by the attestations that are on the log. */
async function replayed(other: Log): Promise<ReplayReport | string> {
  const local = openLocalStorage(join(folder, 'local'));
  const answer = (question: Question): Answer =>
    answerTo(openAttestation(answers.get(question.candidate) ?? new Uint8Array(0), [trusted]), log.network, question);
  const executor = new LocalExecutor(run, registry, 0, answer);
  try {
    const signal = new AbortController().signal;
    return await replayRun({ log: other, run, registry, local, workerUrl: WORKER_URL, workers: 1, executor, signal });
  } catch (error) {
    return refusalOf(error);
  } finally {
    await local.close();
  }
}

async function eachByte(place: Place, offset: number, look: (other: Log, byte: number) => Promise<void>, from = 0): Promise<void> {
  const value = await valueAt(place, offset);
  expect(value.length).toBeGreaterThan(STRIDE);
  for (let byte = from + draw(STRIDE); byte < value.length; byte += STRIDE)
    await look(changed(place, offset, flipped(value, byte, 1 << draw(8))), byte);
}

async function valueAt({ topic, partition }: Place, offset: number): Promise<Uint8Array> {
  return (await readAll(log, topic, partition)).find((entry) => entry.offset === offset)?.value ?? new Uint8Array(0);
}

const at = (topic: string, partition = 0): Place => ({ topic, partition });

describe(`each byte in turn (seed ${SEED})`, () => {
  test.each<[string, Place, number]>([
    ['the leaves of a task', at(topics.proofs), 0],
    ['a tile', at(topics.tiles), 0],
    ['a bundle of leaves', at(topics.tiles), 1],
    ['a checkpoint', at(topics.checkpoints), 0],
    ['a frame', at(topics.frames(1)), 0],
    ['a published record', at(topics.verified), 0],
    ['an attestation', at(topics.attestations), 0],
  ])('of %s is seen by verify', { timeout: LIMIT_MS }, async (_what, place, offset) => {
    const unseen: number[] = [];
    await eachByte(place, offset, async (other, byte) => {
      if ((await found(other)).length === 0) unseen.push(byte);
    });
    expect(unseen).toEqual([]);
  });

  test('of the leaves of a task is seen by replay, which names task and op', { timeout: LIMIT_MS }, async () => {
    const place = at(topics.proofs);
    /** Each with the place of its end. */
    const ends: { readonly step: string; readonly end: number }[] = [];
    for (const leaf of decodeLeaves(await valueAt(place, 0)))
      ends.push({ step: decodeLeaf(leaf).step, end: (ends.at(-1)?.end ?? 0) + 4 + leaf.length });
    await eachByte(place, 0, async (other, byte) => {
      const { step } = ends.find(({ end }) => byte < end) ?? { step: '' };
      const outcome = await replayed(other);
      if (typeof outcome === 'string') expect(outcome).toContain(topics.proofs);
      else expect([outcome.ok, outcome.mismatch?.task, outcome.mismatch?.step], `byte ${byte}`).toEqual([false, '0/0', step]);
    });
  });

  test('of a published record is seen by replay, which names the record', { timeout: LIMIT_MS }, async () => {
    const [first] = await readAll(log, topics.verified, 0);
    const id = Buffer.from(first?.key ?? []).toString('utf8');
    const look = async (other: Log, byte: number): Promise<void> => {
      const outcome = await replayed(other);
      if (typeof outcome === 'string') expect(outcome).toContain(topics.verified);
      else expect([outcome.ok, outcome.mismatch?.task, outcome.mismatch?.record], `byte ${byte}`).toEqual([false, '1/0/0', id]);
    };
    // What stands before the record, the id of its schema, is no part of it: `verify` compares it.
    await eachByte(at(topics.verified), 0, look, CONFLUENT_BYTES);
  });

  test('of a proof file is refused by name', { timeout: LIMIT_MS }, async () => {
    const [first] = await readAll(log, topics.verified, 0);
    const { text, verifierKey } = await proveRecord(log, run, parseRecordId(Buffer.from(first?.key ?? []).toString('utf8')));
    const bytes = Buffer.from(text);
    const accepted: string[] = [];
    for (let byte = draw(STRIDE); byte < bytes.length; byte += STRIDE) {
      try {
        verifyProof(Buffer.from(flipped(bytes, byte, 1 << draw(7))).toString('utf8'), verifierKey);
        accepted.push(`${byte}: …${text.slice(Math.max(0, byte - 20), byte + 20)}…`);
      } catch (error) {
        expect(refusalOf(error)).toMatch(/^(?:PROOF|KEY)_INVALID /);
      }
    }
    expect(accepted).toEqual([]);
  });
});
