/** A dead or silent thread fails the attempts that it computed and no others (P9, law 11), and threads that can't start end the run. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NEVER, Observable, of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { type Answer, globalStorage, TaskMachine } from '#engine';
import { registry, WORKER_URL } from '#topologies';
import type { TaskInput } from '../../../engine/datavm/task-machine.ts';
import { START_FAILURE_LIMIT, WorkerPool, type WorkerPoolOptions } from '../../../engine/runtime/worker-pool.ts';
import type { WorkerSetup } from '../../../engine/runtime/worker-protocol.ts';
import { NO_LOCAL_STORAGE } from '../../../engine/runtime/serve-worker.ts';
import { codeOf, rejection } from '../../support/log-tools.ts';
import { withWorkflow } from '../../support/run-support.ts';

/**
 * A thread that speaks the protocol and does what the number of its task says: 1 asks once and is done with the answer as its frame,
 * 2 ends, 3 never ends, 4 throws where nobody catches it; all others are done, with the numbers of tasks that this thread has seen as frame.
 */
const OBEDIENT = `
import { parentPort } from 'node:worker_threads';
const seen = [];
const done = (id, k, text) => {
  const bytes = new TextEncoder().encode(text);
  parentPort.postMessage({ type: 'done', id, output: { k, candidates: 0, corrected: 0, gas: 0, localBytes: 0, frames: { buffer: bytes.buffer, start: 0, lengths: Uint32Array.of(bytes.length) }, leaves: { buffer: new ArrayBuffer(0), start: 0, lengths: new Uint32Array(0) } } });
};
const asking = new Map();
parentPort.on('message', (request) => {
  if (request.type === 'end') return parentPort.close();
  if (request.type === 'answers') return done(request.id, 1, new TextDecoder().decode(request.answers[0].response));
  if (request.type === 'unanswered') return parentPort.postMessage({ type: 'failed', id: request.id, code: request.code, message: request.message });
  const { k } = request.input;
  seen.push(k);
  if (k === 1) {
    const none = new Uint8Array(0);
    return parentPort.postMessage({ type: 'ask', id: request.id, ask: 0, questions: [{ step: 's', opDigest: none, candidate: 0, draw: 0, model: 'm', request: none }] });
  }
  if (k === 2) process.exit(3);
  while (k === 3);
  if (k === 4) queueMicrotask(() => { throw new TypeError('nobody catches this'); });
  else done(request.id, k, seen.join(' '));
});
parentPort.postMessage({ type: 'ready' });
`;

const moduleOf = (source: string): URL => new URL(`data:text/javascript,${encodeURIComponent(source)}`);
const SETUP: WorkerSetup = {
  program: { mizu: 1, seed: 0, budget: {}, task: { size: 1 }, block: 1, data: {}, stages: [], published: [] },
  digest: '',
  data: [],
};
const task = (k: number): TaskInput => ({ k, first: 0, count: 0, poison: [] });
const answer = (text: string): Answer => ({ kind: 'answer', response: new TextEncoder().encode(text) });

async function withPool<T>(options: Partial<WorkerPoolOptions>, use: (pool: WorkerPool) => Promise<T>): Promise<T> {
  const pool = new WorkerPool({ url: moduleOf(OBEDIENT), size: 1, setup: SETUP, ask: async () => [answer('yes')], ...options });
  try {
    return await use(pool);
  } finally {
    await pool.close();
  }
}

const frameText = ({ frames }: { readonly frames: readonly Uint8Array[] }): string =>
  frames.map((frame) => new TextDecoder().decode(frame)).join();

describe('a thread that dies', () => {
  it('fails its task, is replaced, and says why it died', async () => {
    await withPool({}, async (pool) => {
      const ended = await rejection(pool.execute(task(2)));
      expect([codeOf(ended), ended.message]).toEqual(['WORKER_DIED', expect.stringContaining('exit code 3')]);
      const thrown = await rejection(pool.execute(task(4)));
      expect([codeOf(thrown), thrown.message]).toEqual(['WORKER_DIED', expect.stringContaining('nobody catches this')]);
      expect(frameText(await pool.execute(task(7)))).toBe('7');
    });
  });

  it('does not fail a task that only waited for answers on it: that one starts again', async () => {
    let asked = 0;
    const first = Promise.withResolvers<void>();
    const ask: WorkerPoolOptions['ask'] = () => {
      asked++;
      if (asked > 1) return Promise.resolve([answer('again')]);
      first.resolve();
      return new Promise(() => {});
    };
    await withPool({ ask }, async (pool) => {
      const waiting = pool.execute(task(1));
      await first.promise;
      expect(codeOf(await rejection(pool.execute(task(2))))).toBe('WORKER_DIED');
      expect(frameText(await waiting)).toBe('again');
      expect(asked).toBe(2);
    });
  });

  it('before it could work is no death of a task; when it happens again and again, everything ends with the reason', async () => {
    await withPool({ url: moduleOf(`throw new TypeError('this module is broken')`), size: 2 }, async (pool) => {
      const errors = await Promise.all([
        rejection(pool.execute(task(7))),
        rejection(pool.execute(task(8))),
        rejection(pool.execute(task(9), true)),
      ]);
      for (const error of [...errors, await rejection(pool.execute(task(10)))]) {
        expect(codeOf(error)).toBe('INTERNAL');
        expect(error.message).toBe(`${START_FAILURE_LIMIT} worker threads in a row ended before they could work: this module is broken`);
      }
    });
  });
});

describe('a thread that is silent', () => {
  it('is ended, which fails its task and no other', async () => {
    const alarms: number[] = [];
    // The first alarm is set when the task is given, the second when the thread is ready and goes into its endless loop.
    const alarm = (ms: number) => (alarms.push(ms) === 2 ? of(0) : NEVER);
    await withPool({ silenceMs: 1_234, alarm }, async (pool) => {
      const error = await rejection(pool.execute(task(3)));
      expect([codeOf(error), error.message]).toEqual(['WORKER_DIED', expect.stringContaining('no word from it for 1234 ms')]);
      expect(frameText(await pool.execute(task(7)))).toBe('7');
      expect(new Set(alarms)).toEqual(new Set([1_234]));
    });
  });

  it('because its task waits for answers is left alone', async () => {
    let running = 0;
    const counts: number[] = [];
    const alarm = () =>
      new Observable(() => {
        running++;
        return () => running--;
      });
    const ask: WorkerPoolOptions['ask'] = async () => {
      counts.push(running);
      return [answer('yes')];
    };
    await withPool({ silenceMs: 1, alarm, ask }, async (pool) => {
      await pool.execute(task(1));
      expect(counts).toEqual([0]);
      expect(running).toBe(0);
    });
  });
});

describe('a task that is to be alone', () => {
  it('has a new thread to itself, one such task at a time', async () => {
    await withPool({}, async (pool) => {
      const [shared, ...alone] = await Promise.all([pool.execute(task(7)), pool.execute(task(8), true), pool.execute(task(9), true)]);
      expect(frameText(shared)).toBe('7');
      expect(alone.map(frameText)).toEqual(['8', '9']);
      expect(codeOf(await rejection(pool.execute(task(2), true)))).toBe('WORKER_DIED');
      expect(frameText(await pool.execute(task(10)))).toBe('7 10');
    });
  });
});

describe('a closed pool', () => {
  it('lets a thread that computes nothing end by itself, also one that is still loading', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mizu-pool-'));
    const ended = join(folder, 'ended');
    try {
      const source = `import { writeFileSync } from 'node:fs';
process.on('exit', (code) => writeFileSync(${JSON.stringify(ended)}, 'with ' + code));
${OBEDIENT}`;
      await new WorkerPool({ url: moduleOf(source), size: 1, setup: SETUP, ask: async () => [] }).close();
      expect(readFileSync(ended, 'utf8')).toBe('with 0');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses what runs, what waits, and what comes', async () => {
    const pool = new WorkerPool({ url: moduleOf(OBEDIENT), size: 1, setup: SETUP, ask: async () => [] });
    const all = [task(3), task(7), task(8)].map((input) => rejection(pool.execute(input)));
    await pool.close();
    for (const error of [...(await Promise.all(all)), await rejection(pool.execute(task(9)))]) {
      expect(codeOf(error)).toBe('WORKER_DIED');
      expect(error.message).toContain('closed');
    }
  });
});

describe('a thread that lives', () => {
  it('executes one task after the other as this process would, with records that are sent in the same buffers', async () => {
    const workflow = 'mizu: 1\nname: lines\ntask: { size: 40 }\ngenerate:\n  - read: { path: lines.jsonl, fields: { text: string } }\n';
    await withWorkflow({ 'workflow.yaml': workflow, 'lines.jsonl': '{"text":""}\n' }, async ({ program, digest, data }) => {
      const records = (k: number): Uint8Array[] =>
        Array.from({ length: 40 }, (_, n) => Buffer.from(JSON.stringify({ text: `${k} ${n} ${'x'.repeat(4_000 + k * n)}` })));
      const input = (k: number): TaskInput => ({ k, first: k * 40, count: 40, poison: [], records: records(k) });
      const setup = { program, digest, data: [...data.values()] };
      const context = { program, registry, storage: globalStorage(setup.data), local: NO_LOCAL_STORAGE, expectedRecords: 0 };
      const machine = await TaskMachine.open(context, digest);
      const deaths: string[] = [];
      const pool = new WorkerPool({ url: WORKER_URL, size: 1, setup, ask: async () => [], onDeath: (reason) => deaths.push(reason) });
      try {
        for (let k = 0; k < 4; k++) {
          const { frames, leaves } = await pool.execute(input(k));
          const expected = await machine.execute(input(k), async () => []);
          expect({ frames: frames.map((frame) => Buffer.from(frame)), leaves: leaves.map((leaf) => Buffer.from(leaf)) }).toEqual({
            frames: expected.frames.map((frame) => Buffer.from(frame)),
            leaves: expected.leaves.map((leaf) => Buffer.from(leaf)),
          });
        }
      } finally {
        await pool.close();
      }
      expect(deaths).toEqual([]);
    });
  });
});
