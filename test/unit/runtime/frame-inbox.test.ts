/** Frames come in the order of the protocol whatever the order on the log, and a successor starts to read where nothing is missed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Log, offset } from '#engine';
import { encodeFrame, type Frame } from '../../../engine/proof/frame.ts';
import { FrameInbox } from '../../../engine/runtime/frame-inbox.ts';
import { LimitedLog } from '../../support/limited-log.ts';
import { commitVisibly } from '../../support/log-tools.ts';
import { withQuickLog } from '../../support/run-support.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const TOPIC = 'frames';
const NEVER = new AbortController().signal;

interface Sent {
  readonly k: number;
  readonly attempt: number;
  readonly from: number;
}

/** The attempt stands in the frame as its one candidate, so that a test sees whose frame it got. */
function frameOf({ k, attempt, from }: Sent): Frame {
  const digest = new Uint8Array(32);
  return {
    k,
    from,
    to: 0,
    candidates: Uint32Array.of(attempt),
    keys: digest,
    digests: digest,
    lengths: Uint32Array.of(0),
    records: new Uint8Array(0),
    drops: [],
  };
}

let topics = 0;

async function send(log: Log, frames: readonly Sent[]): Promise<string> {
  const topic = `${TOPIC}-${topics++}`;
  await log.createTopic({ name: topic, partitions: 1, cleanup: 'keep' });
  const writer = await log.openWriter('test');
  await commitVisibly(
    writer,
    frames.map((sent) => ({
      topic,
      partition: 0,
      value: encodeFrame(frameOf(sent)),
      headers: { k: String(sent.k), attempt: String(sent.attempt), from: String(sent.from) },
    })),
  );
  await writer.close();
  return topic;
}

const all: readonly Sent[] = [0, 1, 2, 3].flatMap((k) => [0, 1].flatMap((attempt) => [0, 1].map((from) => ({ k, attempt, from }))));
const shuffled = fc.shuffledSubarray([...all], { minLength: all.length, maxLength: all.length });

describe('an inbox of frames', () => {
  it('gives the accepted frames in order of k and upstream partition, whatever their order on the log', async () => {
    await withQuickLog(async (log) => {
      await fc.assert(
        fc.asyncProperty(shuffled, fc.array(fc.nat(1), { minLength: 4, maxLength: 4 }), async (frames, attempts) => {
          const inbox = new FrameInbox(log, await send(log, frames), 0, offset(0));
          for (let k = 0; k < 4; k++) {
            for (const from of [0, 1]) {
              const frame = await inbox.frame(k, attempts[k] ?? 0, from, NEVER);
              expect(frame).toMatchObject({ k, from });
              expect(frame?.candidates[0]).toBe(attempts[k]);
            }
            inbox.release(k);
          }
        }),
        { seed: SEED, numRuns: 20 },
      );
    });
  });

  it('tells a successor where to start so that it misses no frame from the next k on', async () => {
    await withQuickLog(async (log) => {
      await fc.assert(
        fc.asyncProperty(shuffled, fc.nat(2), async (frames, last) => {
          const topic = await send(log, frames);
          const inbox = new FrameInbox(log, topic, 0, offset(0));
          for (let k = 0; k <= last; k++) {
            for (const from of [0, 1]) await inbox.frame(k, 1, from, NEVER);
            inbox.release(k);
          }
          const successor = new FrameInbox(log, topic, 0, inbox.resumeAt);
          for (let k = last + 1; k < 4; k++) {
            for (const from of [0, 1]) expect(await successor.frame(k, 1, from, NEVER)).toMatchObject({ k, from });
            successor.release(k);
          }
        }),
        { seed: SEED, numRuns: 20 },
      );
    });
  });

  it('has a frame without waiting once it was read, and not after it was let go', async () => {
    await withQuickLog(async (log) => {
      const inbox = new FrameInbox(log, await send(log, all), 0, offset(0));
      expect(inbox.has(1, 0, 0)).toBe(false);
      await inbox.frame(2, 1, 1, NEVER);
      expect(inbox.has(2, 0, 0)).toBe(true);
      inbox.release(2);
      expect(inbox.has(2, 0, 0)).toBe(false);
    });
  });

  it('gives nothing for a frame that does not come before the end', async () => {
    await withQuickLog(async (log) => {
      const inbox = new FrameInbox(log, await send(log, []), 0, offset(0));
      expect(await inbox.frame(0, 0, 0, AbortSignal.abort())).toBeUndefined();
    });
  });

  it('says which task is unavailable when the log forgot its frame, and goes on where it forgot others only', async () => {
    await withQuickLog(async (real) => {
      const log = new LimitedLog(real);
      const topic = await send(log, all);
      const ofTask = all.length / 4;
      log.forget(topic, 0, ofTask * 2);
      const late = await FrameInbox.open(log, topic, 0, offset(ofTask * 2));
      expect(await late.frame(2, 0, 0, NEVER)).toMatchObject({ k: 2 });
      const inbox = await FrameInbox.open(log, topic, 0, offset(ofTask));
      await expect(inbox.frame(1, 0, 0, NEVER)).rejects.toMatchObject({
        code: 'SOURCE_UNAVAILABLE',
        message: `unavailable: ${topic}, partition 0, frame of task 1: the log forgot offsets ${ofTask} to ${ofTask * 2 - 1}`,
      });
      expect(await inbox.frame(2, 1, 0, NEVER)).toMatchObject({ k: 2 });
    });
  });

  it('does not take a frame for forgotten that comes after one of a later task', async () => {
    await withQuickLog(async (real) => {
      const log = new LimitedLog(real);
      const topic = await send(log, all.slice(0, 4));
      log.forget(topic, 0, 2);
      const inbox = await FrameInbox.open(log, topic, 0, offset(0));
      const writer = await log.openWriter('test');
      const sent = (k: number) => ({
        topic,
        partition: 0,
        value: encodeFrame(frameOf({ k, attempt: 0, from: 0 })),
        headers: { k: String(k), attempt: '0', from: '0' },
      });
      await commitVisibly(writer, [sent(8)]);
      const asked = inbox.frame(7, 0, 0, NEVER);
      await expect.poll(() => inbox.has(8, 0, 0)).toBe(true);
      await commitVisibly(writer, [sent(7)]);
      expect(await asked).toMatchObject({ k: 7 });
      await writer.close();
    });
  });
});
