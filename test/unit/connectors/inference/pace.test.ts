/** How a good client calls (law 7): it finds what a server allows, loses no call, waits when it is told to, and stops when most calls fail. Virtual time. */
import { describe, expect, test } from 'vitest';
import { MizuError } from '#engine';
import type { Transport } from '#connectors/inference';
import { CIRCUIT_PAUSE_MS, CIRCUIT_SILENCE_MS, PUT_OFF_LIMIT_MS } from '../../../../connectors/inference/limits.ts';
import { completion } from '../../../support/model-peer.ts';
import { BucketServer, response } from '../../../support/virtual-server.ts';
import { VirtualTime } from '../../../support/virtual-time.ts';
import { type Caller, openCaller } from './pace-bench.ts';

const FOUND_MS = 30_000;
const WATCHED_MS = 60_000;

interface Outcome {
  answered: number;
  readonly failed: unknown[];
}

function askMany(caller: Caller, count: number): { readonly outcome: Outcome; readonly all: Promise<unknown> } {
  const outcome: Outcome = { answered: 0, failed: [] };
  const one = (): Promise<void> =>
    caller.ask().then(
      () => void outcome.answered++,
      (error: unknown) => void outcome.failed.push(error),
    );
  return { outcome, all: Promise.all(Array.from({ length: count }, one)) };
}

describe('the limit adapts', () => {
  const servers = [
    ['20 a second, half a second each', { perSecond: 20, burst: 20, answerMs: [300, 700] }],
    ['the same, and it says when to come back', { perSecond: 20, burst: 20, answerMs: [300, 700], saysWhen: true }],
    ['the same with hardly any burst', { perSecond: 20, burst: 5, answerMs: [300, 700] }],
    ['2 a second, quick answers: less than one call at once', { perSecond: 2, burst: 2, answerMs: [200, 200] }],
    ['60 a second, quick answers', { perSecond: 60, burst: 60, answerMs: [100, 200], saysWhen: true }],
    ['200 a second, slow answers: hundreds at once', { perSecond: 200, burst: 200, answerMs: [800, 1_200] }],
  ] as const;
  test.each(servers)('to %s: 90 % of it within 30 s, and no call is lost', async (_name, options) => {
    for (const seed of [1, 2, 3]) {
      const time = new VirtualTime(seed);
      const server = new BucketServer(time, options);
      const caller = openCaller(time, server.call, 512);
      const count = (options.perSecond * (FOUND_MS + WATCHED_MS)) / 1_000 + options.burst;
      const { outcome, all } = askMany(caller, count);
      await time.until(FOUND_MS + WATCHED_MS);
      const found = server.part(FOUND_MS, FOUND_MS + WATCHED_MS);
      expect(found, `seed ${seed}`).toBeGreaterThanOrEqual(0.9);
      await time.until(all);
      expect(outcome.failed).toEqual([]);
      expect(outcome.answered).toBe(count);
      // What it costs the server to be found out: few refused calls, not one for each good one.
      expect(server.putOff.length).toBeLessThan(0.2 * count);
    }
  });

  test('when the server allows more or less than before', async () => {
    const time = new VirtualTime(4);
    const server = new BucketServer(time, { perSecond: 40, burst: 40, answerMs: [300, 700] });
    const caller = openCaller(time, server.call);
    const { outcome, all } = askMany(caller, 40 * 30 + 10 * 60 + 40 * 60);
    await time.until(30_000);
    server.perSecond = 10;
    await time.until(60_000);
    await time.until(90_000);
    expect(server.part(60_000, 90_000)).toBeGreaterThanOrEqual(0.9);
    server.perSecond = 40;
    await time.until(150_000);
    expect(server.part(120_000, 150_000)).toBeGreaterThanOrEqual(0.9);
    await time.until(all);
    expect(outcome.failed).toEqual([]);
  });

  test('and never passes its ceiling', async () => {
    const time = new VirtualTime(5);
    const server = new BucketServer(time, { perSecond: 1_000, burst: 1_000, answerMs: [500, 500] });
    const caller = openCaller(time, server.call, 16);
    const { all } = askMany(caller, 500);
    await time.until(all);
    expect(server.mostAtOnce).toBe(16);
  });

  test('but not upwards on answers so slow that more calls would only wait in the server', async () => {
    const time = new VirtualTime(6);
    const server = new BucketServer(time, { perSecond: 1_000, burst: 1_000, answerMs: [60_000, 60_000] });
    const caller = openCaller(time, server.call);
    const { all } = askMany(caller, 40);
    await time.until(all);
    expect(server.mostAtOnce).toBe(4);
  });
});

describe('Retry-After', () => {
  test('holds every call of the model, not only the one that was told', async () => {
    const time = new VirtualTime(7);
    const starts: number[] = [];
    const transport: Transport = async ({ signal }) => {
      starts.push(time.now());
      await time.sleep(10, signal);
      return starts.length <= 4 && time.now() < 1_000 ? response(429, '', '7') : response(200, completion('m', 'Yes.'));
    };
    const caller = openCaller(time, transport);
    const { outcome, all } = askMany(caller, 30);
    await time.until(all);
    expect(outcome).toMatchObject({ answered: 30, failed: [] });
    expect(starts.filter((at) => at > 10 && at < 7_000)).toEqual([]);
  });

  test('longer than anybody waits gives the model up at once, for all who wait', async () => {
    const time = new VirtualTime(8);
    const caller = openCaller(time, async () => response(429, '', '86400'));
    const { outcome, all } = askMany(caller, 100);
    await time.until(all);
    expect(caller.calls).toBeLessThanOrEqual(4);
    expect(outcome.failed).toHaveLength(100);
    for (const error of outcome.failed) expect(String(error)).toContain('asks to wait 86400 s');
  });
});

describe('when most calls fail', () => {
  test('all who wait are told so clearly, instead of trying thousands of times', async () => {
    const time = new VirtualTime(9);
    const caller = openCaller(time, async ({ signal }) => {
      await time.sleep(50, signal);
      return response(500, '');
    });
    const { outcome, all } = askMany(caller, 2_000);
    await time.until(all);
    expect(outcome.failed).toHaveLength(2_000);
    expect(caller.calls).toBeLessThan(100);
    const told = outcome.failed.filter(
      (error) => error instanceof MizuError && error.message.includes("Model 'm' at http://server.test/v1 is given up for now"),
    );
    expect(told.length).toBeGreaterThan(1_000);
    for (const error of outcome.failed) expect(error).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    // Whoever asks while it is given up makes no call at all.
    expect(time.now()).toBeLessThan(2 * CIRCUIT_SILENCE_MS);
    const before = caller.calls;
    await expect(caller.ask()).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    expect(caller.calls).toBe(before);
  });

  test('a server that comes back soon costs nobody an answer', async () => {
    const time = new VirtualTime(10);
    const down = CIRCUIT_SILENCE_MS / 4;
    const caller = openCaller(time, async ({ signal }) => {
      await time.sleep(20, signal);
      return time.now() > 1_000 && time.now() < 1_000 + down
        ? { kind: 'broken', reason: 'connection refused (ECONNREFUSED)' }
        : response(200, completion('m', 'Yes.'));
    });
    const { outcome, all } = askMany(caller, 3_000);
    await time.until(all);
    expect(outcome).toMatchObject({ answered: 3_000, failed: [] });
  });

  test('one call tries again after a while, and its answer ends it', async () => {
    const time = new VirtualTime(11);
    let good = false;
    let atOnce = 0;
    let most = 0;
    const caller = openCaller(time, async ({ signal }) => {
      atOnce++;
      most = Math.max(most, atOnce);
      await time.sleep(50, signal);
      atOnce--;
      return good ? response(200, completion('m', 'Yes.')) : response(500, '');
    });
    const bad = askMany(caller, 500);
    await time.until(bad.all);
    expect(caller.pace.state.givenUp).toBe(true);
    await time.until(time.now() + CIRCUIT_PAUSE_MS);
    good = true;
    most = 0;
    const trial = askMany(caller, 20);
    await time.until(time.now() + 40);
    expect(most).toBe(1);
    await time.until(trial.all);
    expect(trial.outcome).toMatchObject({ answered: 20, failed: [] });
  });

  test('a server that only ever puts off is given up after a while', async () => {
    const time = new VirtualTime(12);
    const caller = openCaller(time, async () => response(429, ''));
    const { outcome, all } = askMany(caller, 200);
    await time.until(all);
    expect(outcome.failed).toHaveLength(200);
    expect(time.now()).toBeLessThan(2 * PUT_OFF_LIMIT_MS);
    // Pauses grow while nothing is answered: a few hundred calls in all that time.
    expect(caller.calls).toBeLessThan(500);
  });
});
