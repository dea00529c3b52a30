/**
 * A machine whose clock is set back by an hour again and again: a run gives the same root, and what waits for a model waits for as long as always. Only what others
 * name by date looks at that clock: a model's Retry-After, the hours in which an endpoint counts tokens, and the time that Kafka keeps beside an entry.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeAsking } from '../support/asking-workflow.ts';
import { lastObject, mizu } from '../support/cli.ts';
import { Callers, type PutOff } from '../../connectors/inference/callers.ts';
import { type Behaviour, completion, type ModelPeer, openModelPeer, status } from '../support/model-peer.ts';
import { scratchFolder } from '../support/scratch.ts';

const folder = scratchFolder();
const SET_BACK = new URL('../support/clock-set-back.ts', import.meta.url).href;
const HOUR_MS = 3_600_000;

/** Says the same to the same question, whoever asks and when. */
const sameAgain: Behaviour = (response, { body }) => {
  response.setHeader('content-type', 'application/json');
  response.end(completion(body.model, `Answer to ${body.seed}: ${body.messages.at(-1)?.content}`));
};

describe('a clock that is set back', () => {
  let peer: ModelPeer;
  let file = '';
  beforeAll(async () => {
    peer = await openModelPeer();
    peer.always(sameAgain);
    file = writeAsking(folder, { url: peer.url, candidates: 20, taskSize: 5 });
  });
  afterAll(() => peer.close());

  it('changes neither the root of a run nor how long it waits for a model that fails and puts off', { timeout: 60_000 }, async () => {
    const run = (log: string, env: Readonly<Record<string, string>>) =>
      mizu(['run', file, '--log', join(folder, log), '--workers', '2', '--json'], { env });
    const usual = await run('usual', {});
    expect(usual.code, usual.stderr).toBe(0);
    const asked = peer.calls.length;
    peer.next(status(503), status(429, { 'retry-after': '1' }), status(503));
    const began = performance.now();
    const back = await run('back', { NODE_OPTIONS: `--import=${SET_BACK}` });
    expect(back.code, back.stderr).toBe(0);
    // It waited for the second that it was asked to wait, and asked again.
    expect(performance.now() - began).toBeGreaterThan(1_000);
    expect(peer.calls.length - asked).toBe(asked + 3);
    const { root, accepted, treeSize } = lastObject(usual);
    expect(lastObject(back)).toMatchObject({ root, accepted, treeSize });
    expect(Number(lastObject(back)['seconds'])).toBeLessThan(30);
  });

  it('refuses no caller of an endpoint what it may do, and frees none of its tokens', () => {
    const config = { calls: 9, perMinute: 60, tokensPerDay: 100, tokenEnv: 'ALICE' };
    let [now, date] = [0, 100 * HOUR_MS];
    const clock = { now: () => now, date: () => date };
    const token = 'a'.repeat(64);
    const callers = new Callers({ alice: config }, new Map([['alice', token]]), clock);
    const enter = (): PutOff | undefined => {
      const admitted = callers.admit({ name: 'alice', config });
      if (!('end' in admitted)) return admitted;
      admitted.end();
      return undefined;
    };
    for (let n = 0; n < 60; n++) expect(enter()).toBeUndefined();
    expect(enter()).toMatchObject({ code: 'too_many_requests', retryAfterSeconds: 1 });
    [now, date] = [1_000, 0];
    expect(enter()).toBeUndefined();
    callers.use('alice', 100);
    [now, date] = [60_000, -5 * HOUR_MS];
    expect(enter()).toMatchObject({ code: 'too_many_tokens' });
  });
});
