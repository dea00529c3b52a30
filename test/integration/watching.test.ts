/** A process that plays roles is watched: its metrics say what the run came to, its log is lines of JSON that name run and role, and no key is in either. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLog } from '#topologies';
import { deployFile, summaryAtEnd, writeAsking } from '../support/asking-workflow.ts';
import { good, type ModelPeer, openModelPeer } from '../support/model-peer.ts';

const KEY = 'sk-canary-31bb-watching';
const CANDIDATES = 12;
const MAIN = join(import.meta.dirname, '../../cli/main.ts');

let folder: string;
let peer: ModelPeer;
let child: ChildProcess | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mizu-watching-'));
  peer = await openModelPeer();
});
afterEach(async () => {
  child?.kill('SIGKILL');
  await peer.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Watched {
  readonly process: ChildProcess;
  readonly lines: Record<string, unknown>[];
  /** Everything that it wrote to standard error. */
  text(): string;
  until(condition: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  readonly ended: Promise<number | null>;
}

function up(log: string, ...options: string[]): Watched {
  const args = [MAIN, 'up', '--log', log, '--id', 'solo', '--workers', '1', '--http', '127.0.0.1:0', ...options];
  const started = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, SMALL_KEY: KEY } });
  child = started;
  const lines: Record<string, unknown>[] = [];
  const raw: string[] = [];
  const waiting = new Set<() => void>();
  let over = false;
  const wake = (): void => {
    for (const check of waiting) check();
  };
  createInterface({ input: started.stderr }).on('line', (line) => {
    raw.push(line);
    if (line.startsWith('{')) lines.push(JSON.parse(line) as Record<string, unknown>);
    wake();
  });
  const ended = new Promise<number | null>((resolve) =>
    started.on('close', (code) => {
      over = true;
      wake();
      resolve(code);
    }),
  );
  return {
    process: started,
    lines,
    text: () => raw.join('\n'),
    ended,
    until: (condition) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const line = lines.find(condition);
          if (line === undefined && !over) return;
          waiting.delete(check);
          if (line !== undefined) resolve(line);
          else reject(new Error(`ended before that:\n${raw.join('\n')}`));
        };
        waiting.add(check);
        check();
      }),
  };
}

describe('a process with --http', () => {
  test('tells in metrics what the run comes to, is ready while it works, and ends when it is told to', async () => {
    peer.always((response, call) => good(response, call, call.body.seed));
    const directory = join(folder, 'log');
    const log = await openLog(directory, { readOnly: false });
    const run = await deployFile(log, writeAsking(folder, { url: peer.url, candidates: CANDIDATES, taskSize: 4, keyEnv: 'SMALL_KEY' }));
    const watched = up(directory, '--verbose');
    const { address } = (await watched.until((line) => typeof line['address'] === 'string')) as { address: string };
    await watched.until((line) => line['msg'] === 'joined');
    await expect.poll(async () => (await fetch(`${address}/readyz`)).status, { timeout: 10_000 }).toBe(200);
    const summary = await summaryAtEnd(log, run, AbortSignal.timeout(40_000));
    await watched.until((line) => line['msg'] === 'run closed');
    const text = await (await fetch(`${address}/metrics`)).text();
    const value = (name: string): number => {
      const found = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+-]+)$`, 'gm'))];
      return found.reduce((sum, [, number]) => sum + Number(number), 0);
    };
    expect(value('mizu_records_accepted_total')).toBe(summary.accepted);
    expect(value('mizu_candidates_total')).toBe(summary.candidates);
    expect(value('mizu_tasks_published_total')).toBe(CANDIDATES / 4);
    expect(value('mizu_gateway_questions_total')).toBe(CANDIDATES);
    expect(value('mizu_gateway_answer_seconds_count')).toBe(CANDIDATES);
    expect(value('mizu_tree_leaves')).toBe(summary.treeSize);
    expect(value('mizu_attempts_started_total')).toBe(value('mizu_attempts_ended_total'));
    expect(value('mizu_steps_committed_total')).toBe((CANDIDATES / 4) * 2);
    expect(text).toMatch(/^mizu_commits_total\{[^}]*role="node"[^}]*\} [1-9]/m);
    expect(value('mizu_attempts_running')).toBe(0);

    for (const line of watched.lines) {
      expect(line, JSON.stringify(line)).toMatchObject({ name: 'mizu', member: 'solo', role: expect.any(String) });
      if (line['role'] !== 'process') expect(line['run'], JSON.stringify(line)).toBe('tickets/1');
    }
    const attempts = watched.lines.filter((line) => line['msg'] === 'attempt committed');
    expect(new Set(attempts.map((line) => line['task']))).toEqual(new Set(['0/0', '0/1', '0/2']));
    expect(watched.lines.some((line) => line['role'] === 'step' && typeof line['partition'] === 'number')).toBe(true);
    expect(watched.lines.some((line) => line['role'] === 'gateway' && line['step'] === 'body')).toBe(true);
    expect(peer.calls[0]?.authorization).toBe(`Bearer ${KEY}`);
    expect(`${watched.text()}${text}`).not.toContain(KEY);

    watched.process.kill('SIGTERM');
    expect([0, 130]).toContain(await watched.ended);
    await log.close();
  }, 60_000);
});
