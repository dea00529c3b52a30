/** The laws of asking through the log, over a log and a control log written by hand: one answer, no forgery, no loss when the gateway moves (P8, P9). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEmbeddedLog, openLocalStorage } from '#connectors/embedded';
import { readRun } from '#engine';
import {
  type Answer,
  Committer,
  type Gateway,
  type Log,
  MizuError,
  type Question,
  RunTopics,
  sha256,
  signAttestation,
  type Signer,
  signerFromSeed,
  attestationKey,
  toHex,
  utf8,
} from '#engine';
import { registry } from '#topologies';
import { rmSync } from 'node:fs';
import type { ControlBody } from '../../../engine/dispatch/control-entry.ts';
import { encodeSigned } from '../../../engine/dispatch/signed-entry.ts';
import { questionBody } from '../../../engine/dispatch/question-entry.ts';
import { ControlTail } from '../../../engine/runtime/control-tail.ts';
import { GatewayRole, QUESTIONS_IN_FLIGHT } from '../../../engine/runtime/gateway-role.ts';
import { LogGateway } from '../../../engine/runtime/log-gateway.ts';
import type { RunContext } from '../../../engine/runtime/run-context.ts';
import { SETTLED_PARTITION } from '../../../engine/runtime/topics.ts';
import { deployFile, writeAsking } from '../../support/asking-workflow.ts';
import { readAll, rejection } from '../../support/log-tools.ts';
import { quickFolder } from '../../support/run-support.ts';

const RUN = { name: 'tickets', generation: 1 };
const TITLE = 'tickets/1';
const TOPICS = new RunTopics(RUN);
const KEYS = { run: seed(1), asker: seed(2), first: seed(3), second: seed(4), stranger: seed(5) };
const OFFER = { slots: 0, weight: 1, steps: false, checkpoints: false, answers: true, ops: [], models: [], memory: 0 };

function seed(n: number): Signer {
  return signerFromSeed(new Uint8Array(32).fill(n));
}

const question = (candidate: number): Question => ({
  step: 'body',
  opDigest: sha256(utf8('op')),
  candidate,
  draw: 0,
  model: 'small',
  request: utf8(`{"model":"small","seed":${candidate}}`),
});

let folder: string;
let log: Log;
let stop: AbortController;
let orchestrator: Committer;
let closers: (() => Promise<void>)[];

beforeEach(async () => {
  folder = quickFolder();
  log = await openEmbeddedLog({ directory: `${folder}/log` });
  stop = new AbortController();
  closers = [];
  await deployFile(log, writeAsking(folder, { url: 'http://127.0.0.1:1/v1', candidates: 12, taskSize: 4 }));
  orchestrator = await Committer.open(log, `${TITLE}/orchestrator`);
  await control({ type: 'open', owner: 'test:1', key: toHex(KEYS.run.publicKey) });
  await admit(0, KEYS.asker);
});
afterEach(async () => {
  stop.abort();
  for (const close of closers.reverse()) await close();
  await orchestrator.close();
  await log.close();
  rmSync(folder, { recursive: true, force: true });
});

async function control(...bodies: ControlBody[]): Promise<void> {
  await orchestrator.commit(
    bodies.map((body) => ({ topic: TOPICS.control, partition: 0, value: encodeSigned('mizu-control-v1', TITLE, body, KEYS.run) })),
  );
}

const admit = (node: number, signer: Signer): Promise<void> =>
  control({
    type: 'admit',
    node,
    member: `m${node}`,
    incarnation: `life-${node}`,
    key: toHex(signer.publicKey),
    offer: OFFER,
    request: node,
  });
const appoint = (node: number, epoch: number): Promise<void> => control({ type: 'appoint', role: 'gateway', epoch, node });

/** @param follow whether its view of control keeps up by itself. */
async function contextOf(
  signer: Signer,
  signal: AbortSignal = stop.signal,
  follow = true,
): Promise<{ context: RunContext; tail: ControlTail }> {
  const local = openLocalStorage(`${folder}/local`);
  closers.push(() => local.close());
  const deployed = await readRun(log, RUN.name);
  const context: RunContext = { ...deployed, log, title: TITLE, topics: TOPICS, registry, local, signer, signal };
  const tail = new ControlTail(log, TOPICS.control);
  await tail.catchUp();
  void (async () => {
    while (follow && (await tail.turn(signal).catch(() => false)));
  })();
  return { context, tail };
}

/** A gateway that does what the contract says: records, then answers; `answer` decides what. */
class Recorder implements Gateway {
  readonly asked: number[] = [];
  private readonly signer: Signer;
  private readonly answer: (question: Question, signal: AbortSignal) => Promise<string>;
  private readonly committer: Promise<Committer>;

  constructor(signer: Signer, answer: (question: Question, signal: AbortSignal) => Promise<string>) {
    this.signer = signer;
    this.answer = answer;
    this.committer = Committer.open(log, `${TITLE}/gateway`);
  }

  async ask(asked: Question, signal: AbortSignal): Promise<Answer> {
    this.asked.push(asked.candidate);
    const response = utf8(await this.answer(asked, signal));
    await (await this.committer).commit([envelopeOf(asked, response, this.signer)]);
    return { kind: 'answer', response };
  }

  async close(): Promise<void> {
    await (await this.committer).close();
  }
}

function envelopeOf(asked: Question, response: Uint8Array, signer: Signer) {
  const { step, opDigest, candidate, draw, request } = asked;
  const bound = { network: log.network, step, opDigest, candidate, draw, request };
  const model = { name: asked.model, asked: asked.model, answered: undefined };
  const rest = { response, outcome: { kind: 'answer' }, status: 200, finishReason: undefined, usage: undefined } as const;
  const value = signAttestation({ ...bound, model, ...rest }, signer);
  return { topic: TOPICS.attestations, partition: 0, key: attestationKey(log.network, asked), value };
}

async function asker(follow = true): Promise<{ gateway: LogGateway; told: string[]; tail: ControlTail }> {
  const { context, tail } = await contextOf(KEYS.asker, stop.signal, follow);
  const told: string[] = [];
  const gateway = new LogGateway(context, tail, { onUnserved: (error) => told.push(error.message) });
  closers.push(() => gateway.close());
  gateway.begin(0, stop.signal);
  return { gateway, told, tail };
}

interface Role {
  readonly settled: string[];
  stop(): Promise<void>;
}

async function role(node: number, signer: Signer, gateway: Gateway): Promise<Role> {
  const life = new AbortController();
  const { context, tail } = await contextOf(signer, AbortSignal.any([stop.signal, life.signal]));
  const committer = await Committer.open(log, `${TITLE}/node/${node}`);
  const settled: string[] = [];
  const opened = await GatewayRole.open(context, tail, {
    node,
    gateway,
    commit: (appends) => committer.commit(appends),
    onSettled: ({ outcome, code }) => settled.push(code ?? outcome),
  });
  const done = new Promise<void>((resolve, reject) => opened.run().subscribe({ complete: resolve, error: reject }));
  const end = async (): Promise<void> => {
    life.abort();
    await done;
    await opened.close();
    await gateway.close();
    await committer.close();
  };
  let ended: Promise<void> | undefined;
  const once = (): Promise<void> => {
    ended ??= end();
    return ended;
  };
  closers.push(once);
  return { settled, stop: once };
}

const saying = (text: string) => async (): Promise<string> => text;
const never = (_question: Question, signal: AbortSignal): Promise<string> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new MizuError('INTERRUPTED', 'closed')), { once: true }));
const ask = (gateway: LogGateway, candidate: number, signal = stop.signal): Promise<Answer> => gateway.ask(question(candidate), signal);
const answerOf = async (answer: Promise<Answer>): Promise<string> => Buffer.from((await answer).response).toString('utf8');

describe('a member that asks through the log', () => {
  it('is given the answer that the gateway recorded; an equal question costs nothing', async () => {
    await admit(1, KEYS.first);
    await appoint(1, 0);
    const recorder = new Recorder(KEYS.first, saying('yes'));
    await role(1, KEYS.first, recorder);
    const { gateway } = await asker();
    expect(await Promise.all([answerOf(ask(gateway, 0)), answerOf(ask(gateway, 0)), answerOf(ask(gateway, 1))])).toEqual([
      'yes',
      'yes',
      'yes',
    ]);
    expect(await answerOf(ask(gateway, 0))).toBe('yes');
    expect(recorder.asked.sort()).toEqual([0, 1]);
    expect(await readAll(log, TOPICS.questions, 0)).toHaveLength(2);
  });

  it('fails with what the gateway says of a question that it could not get answered, and may ask again', async () => {
    await admit(1, KEYS.first);
    await appoint(1, 0);
    let down = true;
    const recorder = new Recorder(KEYS.first, async () => {
      if (down) throw new MizuError('UPSTREAM_UNREACHABLE', "Model 'small' gave no answer in 6 tries");
      return 'at last';
    });
    const { settled } = await role(1, KEYS.first, recorder);
    const { gateway } = await asker();
    expect(await rejection(ask(gateway, 3))).toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      message: "Model 'small' gave no answer in 6 tries",
      component: 'body',
    });
    down = false;
    expect(await answerOf(ask(gateway, 3))).toBe('at last');
    expect(settled).toEqual(['UPSTREAM_UNREACHABLE', 'answered']);
  });

  it('asks again when the gateway moves: another answers what the one before never did', async () => {
    await admit(1, KEYS.first);
    await appoint(1, 0);
    const silent = new Recorder(KEYS.first, never);
    const first = await role(1, KEYS.first, silent);
    const { gateway } = await asker();
    const answer = answerOf(ask(gateway, 5));
    await expect.poll(() => silent.asked).toEqual([5]);
    await first.stop();
    await admit(2, KEYS.second);
    await control({ type: 'lost', node: 1, reason: 'silent' });
    await appoint(2, 1);
    await role(2, KEYS.second, new Recorder(KEYS.second, saying('from the second')));
    expect(await answer).toBe('from the second');
  });

  it('hears what the next gateway says, even if that was said before it knew of it', async () => {
    await admit(1, KEYS.first);
    await appoint(1, 0);
    const silent = new Recorder(KEYS.first, never);
    const first = await role(1, KEYS.first, silent);
    const { gateway, tail } = await asker(false);
    const failed = rejection(ask(gateway, 5));
    await expect.poll(() => silent.asked).toEqual([5]);
    await first.stop();
    await admit(2, KEYS.second);
    await control({ type: 'lost', node: 1, reason: 'silent' });
    await appoint(2, 1);
    const refusing = new Recorder(KEYS.second, async () => {
      throw new MizuError('UPSTREAM_REFUSED', 'the key may be wrong');
    });
    const { settled } = await role(2, KEYS.second, refusing);
    await expect.poll(() => settled).toEqual(['UPSTREAM_REFUSED']);
    await tail.catchUp();
    expect(await failed).toMatchObject({ code: 'UPSTREAM_REFUSED' });
    expect(refusing.asked).toEqual([5, 5]);
  });

  it('waits where nobody answers, and says so once', async () => {
    const { gateway, told } = await asker();
    const answers = [answerOf(ask(gateway, 1)), answerOf(ask(gateway, 2))];
    await expect.poll(() => log.end(TOPICS.questions, 0)).toBe(2);
    expect(told).toEqual(["'tickets/1' asks a model, and no member answers questions now"]);
    await admit(1, KEYS.first);
    await appoint(1, 0);
    await role(1, KEYS.first, new Recorder(KEYS.first, saying('here')));
    expect(await Promise.all(answers)).toEqual(['here', 'here']);
  });

  it('waits no longer than its attempt, or than its life as a member', async () => {
    const { gateway } = await asker();
    const attempt = new AbortController();
    const given = rejection(ask(gateway, 1, attempt.signal));
    const lost = rejection(ask(gateway, 2));
    attempt.abort();
    expect(await given).toMatchObject({ code: 'INTERRUPTED' });
    gateway.begin(1, new AbortController().signal);
    expect(await lost).toMatchObject({ code: 'INTERRUPTED' });
  });

  it.each([
    ['a stranger signed', (asked: Question) => envelopeOf(asked, utf8('a lie'), KEYS.stranger)],
    [
      'was given to another question',
      (asked: Question) => ({ ...envelopeOf(question(9), utf8('moved'), KEYS.first), key: attestationKey(log.network, asked) }),
    ],
  ])('refuses an answer that %s', async (_what, envelope) => {
    await admit(1, KEYS.first);
    await appoint(1, 0);
    const { gateway } = await asker();
    const refused = rejection(ask(gateway, 4));
    const forger = await Committer.open(log, 'forger');
    await forger.commit([envelope(question(4))]);
    expect(await refused).toMatchObject({ code: 'PROOF_INVALID' });
    await forger.close();
  });
});

describe('the gateway as a role', () => {
  it('answers what members signed, and passes over what they did not', async () => {
    await admit(1, KEYS.first);
    await appoint(1, 0);
    const forger = await Committer.open(log, 'forger');
    const put = (partition: number, value: Uint8Array) => ({ topic: TOPICS.questions, partition, value });
    const signed = (node: number, network: string, signer: Signer, candidate: number): Uint8Array =>
      encodeSigned('mizu-question-v1', TITLE, questionBody(node, network, question(candidate)), signer);
    await forger.commit([
      put(0, signed(0, log.network, KEYS.stranger, 1)),
      put(0, signed(1, log.network, KEYS.first, 2)),
      put(0, signed(0, 'elsewhere', KEYS.asker, 3)),
      put(0, utf8('{"body":{"type":"gossip"},"sig":""}')),
      put(0, signed(0, log.network, KEYS.asker, 4)),
    ]);
    const recorder = new Recorder(KEYS.first, saying('yes'));
    const { settled } = await role(1, KEYS.first, recorder);
    await expect.poll(() => settled.at(-1)).toBe('answered');
    expect(settled).toEqual(['refused', 'refused', 'refused', 'refused', 'answered']);
    expect(recorder.asked).toEqual([4]);
    await forger.close();
  });

  it('has no more questions on their way than its limit, whatever is asked (law 6)', async () => {
    await admit(1, KEYS.first);
    await appoint(1, 0);
    const waiting: (() => void)[] = [];
    const recorder = new Recorder(KEYS.first, () => new Promise((resolve) => waiting.push(() => resolve('yes'))));
    await role(1, KEYS.first, recorder);
    const { gateway } = await asker();
    const total = 2 * QUESTIONS_IN_FLIGHT + 3;
    const answers = Promise.all(Array.from({ length: total }, (_, n) => ask(gateway, n)));
    await expect.poll(() => waiting.length).toBe(QUESTIONS_IN_FLIGHT);
    expect(await log.end(TOPICS.questions, 0)).toBe(total);
    expect(waiting).toHaveLength(QUESTIONS_IN_FLIGHT);
    while (recorder.asked.length < total || waiting.length > 0) {
      for (const go of waiting.splice(0)) go();
      await new Promise(setImmediate);
    }
    expect(await answers).toHaveLength(total);
    expect(new Set(recorder.asked).size).toBe(total);
  }, 20_000);

  it('begins where the one before had come, and re-reads nothing that was settled', async () => {
    await admit(1, KEYS.first);
    await appoint(1, 0);
    const first = await role(1, KEYS.first, new Recorder(KEYS.first, saying('first')));
    const { gateway } = await asker();
    for (let n = 0; n < 5; n++) await ask(gateway, n);
    await first.stop();
    expect(await readAll(log, TOPICS.questions, SETTLED_PARTITION)).toHaveLength(1);
    await admit(2, KEYS.second);
    await control({ type: 'lost', node: 1, reason: 'left' });
    await appoint(2, 1);
    const recorder = new Recorder(KEYS.second, saying('second'));
    await role(2, KEYS.second, recorder);
    expect(await answerOf(ask(gateway, 7))).toBe('second');
    expect(recorder.asked).toEqual([7]);
    expect(await answerOf(ask(gateway, 2))).toBe('first');
  });
});
