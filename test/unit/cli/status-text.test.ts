/** What people read of a run that is not finished: every state has its words, and whatever waits for them says what to do. */
import { describe, expect, it } from 'vitest';
import { FILES, type RunStatus } from '#engine';
import { standing, stateWord, statusLine } from '../../../cli/status-text.ts';

const SOURCE_TOOK = { gas: 4_000, bytes: { local: 7, global: 6 }, rejected: 600, duplicates: 0, failed: 2 };
const KEYED_TOOK = { gas: 70, bytes: { local: 0, global: 3_000 }, rejected: 0, duplicates: 40, failed: 0 };

const STATUS: RunStatus = {
  name: 'tea',
  generation: 2,
  program: 'ab'.repeat(32),
  state: 'running',
  mode: 'running',
  modeBy: '',
  owner: 'desk:17',
  opens: 3,
  tick: 120,
  wanted: 1_000,
  limit: 4_000,
  tasks: { cut: 30, published: 20 },
  totals: {
    candidates: 1_280,
    accepted: 640,
    corrected: 0,
    duplicates: 40,
    failed: 0,
    rejected: { short: 600 },
    gas: 5,
    localBytes: 7,
    globalBytes: 9,
  },
  inference: null,
  estimate: null,
  rate: { perSecond: 100, trend: 'rising' },
  stages: [
    { index: 0, kind: 'source', partitions: 1, done: 26, working: 4, lag: 0, oldest: { k: 26, ticks: 3 }, ...SOURCE_TOOK },
    { index: 1, kind: 'keyed', partitions: 8, done: 20, working: 1, lag: 5, oldest: { k: 20, ticks: 1 }, ...KEYED_TOOK },
  ],
  members: [
    {
      node: 0,
      name: 'one',
      roles: ['1/0', '1/1', '1/2', '1/5', 'checkpointer'],
      slots: 2,
      weight: 1,
      running: 2,
      accepted: 26,
      share: 1,
      failures: 1,
      lag: 4,
      gas: 4_070,
      bytes: { local: 7, global: 3_006 },
      heard: 1,
      memory: 250_000_000,
    },
  ],
  employed: 2,
  losses: [{ node: 1, name: 'two', reason: 'silent', ago: 10 }],
  failures: [{ k: 9, attempt: 0, node: 1, code: 'INTERNAL', step: 'short', message: 'it\nended' }],
  copies: { equal: 3, unequal: 0 },
  unequal: [],
  waiting: null,
  signed: 512,
  source: null,
  summary: undefined,
};

const text = (changes: Partial<RunStatus> = {}): string => standing({ ...STATUS, ...changes }, (name) => name);

describe('the standing of a run', () => {
  it('tells stages, members, speed, cost and trouble', () => {
    const shown = text();
    for (const line of [
      /^tea\/2$/m,
      /orchestrator +desk:17, tick 120; 2 took over/,
      /nodes +1 of at most 2$/m,
      /tasks +20 done, 10 in work/,
      /candidates +1,280 of at most 4,000, 100 candidates\/s, rising, about 7\.20 s left/,
      /kept +640 of 1,000/,
      /rejected +600/,
      /cost +5 gas, 7 B local, 9 B global/,
      /tree +512 leaves/,
      /0 source +26 +4 +0 +600 +0 +2 +4,000 +7 B +6 B +task 26 waits 1\.50 s/,
      /1 keyed × 8 +20 +1 +5 +0 +40 +0 +70 +0 B +3\.00 kB +task 20 waits 0\.50 s/,
      /0 +one +2\/2 +26 +100\.0 % +1 +1 +4 +4,070 +7 B +3\.01 kB +0\.50 s ago +250\.0 MB +1\/0-2,5 checkpointer/,
      /node 1 \(two\) was silent for too long, 5\.00 s ago/,
      /task 0\/9, attempt 0 on node 1, step short: INTERNAL, it\\nended/,
    ])
      expect(shown).toMatch(line);
    expect(shown).not.toMatch(/ $/m);
  });

  it('says of a result that differs from the one that counts whose both are, and how to find out who is right', () => {
    expect(text()).not.toContain('must be equal');
    const shown = text({ copies: { equal: 3, unequal: 7 }, unequal: [{ k: 9, attempt: 1, node: 1, accepted: 0 }] });
    expect(shown).toContain('Two results of one task must be equal; 7 were not');
    expect(shown).toContain('task 0/9: attempt 1 of node 1 differs from the result of node 0, which counts');
    expect(shown).toContain('`mizu replay tea/2 --tasks K..K`');
  });

  it('says why the orchestrator itself paused, and what to do', () => {
    const shown = text({ mode: 'paused', modeBy: "orchestrator: Task 4 can't be done: its worker dies" });
    expect(shown).toContain("paused by the orchestrator itself: Task 4 can't be done: its worker dies");
    expect(shown).toContain('mend the cause, then `mizu resume tea/2` lets it go on');
    expect(shown).not.toContain('left');
  });

  it('says who asked for a mode, and how to go on', () => {
    expect(text({ mode: 'paused', modeBy: 'ann@desk' })).toMatch(/paused by ann@desk; `mizu resume tea\/2` lets it go on/);
    expect(text({ mode: 'draining', modeBy: 'ann@desk' })).toMatch(/draining, asked by ann@desk/);
    expect(text({ state: 'unfinished' })).toMatch(/no orchestrator works on it; `mizu up` or the same `mizu run` goes on/);
    expect(text({ state: 'deployed', opens: 0, members: [] })).toMatch(/no orchestrator has taken it yet: start `mizu up`/);
    const files = { name: FILES, ingest: 'copy', cut: 20, ahead: 10, behind: 1_250 } as const;
    const halfCopied = text({ state: 'unfinished', source: files });
    expect(halfCopied).toMatch(/unfinished: its source is not whole yet; the same `mizu run` copies the rest and goes on/);
    expect(halfCopied).toMatch(/source +files of the workflow: 20 records in tasks, 10 copied and waiting, 1,250 not taken yet/);
    expect(halfCopied).not.toContain('mizu up');
    expect(text({ waiting: '3 tasks wait: no member takes tasks; start a node' })).toMatch(/waiting +3 tasks wait: no member takes tasks/);
  });

  it('is one word in a list and one line in a log', () => {
    const words = (['running', 'paused', 'draining', 'stopped'] as const).map((mode) => [
      stateWord({ state: 'running', mode }),
      stateWord({ state: 'unfinished', mode }),
    ]);
    expect(words).toEqual([
      ['running', 'unfinished'],
      ['paused', 'paused, unattended'],
      ['draining', 'draining, unattended'],
      ['stopped', 'stopped'],
    ]);
    expect(statusLine(STATUS)).toBe(
      'tea/2: running · 640 of 1,000 kept · 1,280 candidates · tasks 20 done, 10 in work · 100 candidates/s, rising · 1 members',
    );
  });
});
