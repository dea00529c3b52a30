/** What a run that fell short says: what ended it, and what would do (law 10). Where quotas are why, it never says that a larger budget would. */
import { describe, expect, it } from 'vitest';
import { fellShort } from '../../../cli/run-summary.ts';
import { exhaustedText } from '../../../cli/shortfall-text.ts';
import type { Budget, Json, Program, RunSummary } from '#engine';

const SUMMARY: RunSummary = {
  name: 'w',
  generation: 1,
  program: '',
  reason: 'exhausted',
  candidates: 200,
  accepted: 50,
  wanted: 100,
  corrected: 0,
  rejected: { small: 20, big: 120 },
  duplicates: 10,
  failed: 0,
  gas: 1,
  bytes: { local: 1, global: 1 },
  treeSize: 1,
  root: '',
  inference: null,
  verifierKey: '',
  reports: {},
};
const TOKENS: Partial<RunSummary> = {
  reason: 'budget',
  inference: { questions: 200, input: 600, output: 400, micros: null, currency: null, steps: {} },
};

const program = (quota?: Json, budget: Budget = {}): Pick<Program, 'budget' | 'stages'> => ({
  budget,
  stages: [
    {
      index: 1,
      kind: 'last',
      partitions: 1,
      input: [],
      output: [],
      ops: quota === undefined ? [] : [opOf(quota)],
    },
  ],
});

function opOf(params: Json): Program['stages'][number]['ops'][number] {
  return {
    id: 'quota-kind',
    op: 'quota',
    version: 1,
    kind: 'keyed',
    params,
    reads: ['kind'],
    writes: [],
    data: [],
    onFail: 'drop',
    storage: 'global',
    drops: true,
  };
}

const lines = (more: Partial<RunSummary>, quota?: Json, budget?: Budget): readonly string[] =>
  exhaustedText({ ...SUMMARY, ...more }, program(quota, budget)).split('\n');
const tryOf = (...args: Parameters<typeof lines>): string => lines(...args).at(-1) ?? '';

describe('a run that fell short', () => {
  it('says how many gave how many, what took most, and a budget that would do', () => {
    expect(fellShort(SUMMARY)).toBe(true);
    expect(lines({}).slice(0, 2)).toEqual([
      'error: not enough: 200 candidates gave 50 of the 100 records wanted',
      "  most were lost where step 'big' rejected 120 (60.0 %)",
    ]);
    expect(tryOf({})).toContain('--set budget.candidates=440');
    expect(tryOf(TOKENS, undefined, { tokens: 1_100 })).toContain('--set budget.tokens=2300');
  });

  it('that kept nothing is not told to raise its budget', () => {
    expect(tryOf({ accepted: 0 })).toContain('a rule rejects everything, so a larger budget would not help');
  });

  it('is none without a count, or with the count reached', () => {
    expect([fellShort({ ...SUMMARY, wanted: null }), fellShort({ ...SUMMARY, accepted: 100 })]).toEqual([false, false]);
  });
});

describe('a run that fell short by its quotas', () => {
  const counts = { a: 40, b: 40, c: 20 };
  const rejected = { small: 60, 'quota-kind': 55 };

  it('names the step, what is full and what is open, though another step rejected more', () => {
    const reports = { 'quota-kind': { groups: { a: 40, b: 40, c: 5 }, missing: { c: 15 } } };
    expect(lines({ accepted: 85, rejected, reports }, { by: 'kind', counts })).toEqual([
      'error: not enough: 200 candidates gave 85 of the 100 records wanted',
      "  full quotas are why: step 'quota-kind' rejected 55 records of categories that are full (a 40, b 40)",
      '  still open: c 5 of 20',
      '  the 85 records that are there are published, signed, and can be exported',
      expect.stringMatching(/^ {2}try: let 'c' come up more often .* takes a budget of about 880 \(--set budget\.candidates=880\)/),
    ]);
  });

  it('by tokens, says what the category that comes up least often would take', () => {
    const reports = { 'quota-kind': { groups: { a: 40, b: 36, c: 10 }, missing: { b: 4, c: 10 } } };
    const said = tryOf({ ...TOKENS, accepted: 86, rejected, reports }, { by: 'kind', counts }, { tokens: 1_000 });
    expect(said).toContain("let 'c', 'b' come up more often");
    expect(said).toContain('--set budget.tokens=2200, with --new-generation: answers that are recorded are used again and not paid again');
  });

  it('advises no budget at all where a category never came up, or every one that did is full', () => {
    const never = { 'quota-kind': { groups: { a: 40, b: 40 }, missing: { c: 20 } } };
    const absent = tryOf({ ...TOKENS, accepted: 80, rejected, reports: never }, { by: 'kind', counts }, { tokens: 1_000 });
    const full = { 'quota-kind': { groups: { a: 40, b: 40 }, missing: {} } };
    const each = lines(
      { ...TOKENS, accepted: 80, rejected: { 'quota-kind': 3 }, reports: full },
      { by: 'kind', each: 40 },
      { tokens: 1_000 },
    );
    expect(absent).toMatch(/let 'c' come up more often .*: a larger budget is no cure for what does not come up/);
    expect(each[3]).toBe('  every category that came up is full');
    expect(each.at(-1)).toContain('lower accept to 80: with these a larger budget does not give more');
    for (const said of [absent, each.at(-1)]) expect(said).not.toContain('--set');
  });

  it('is none where the quota turned too little away to matter', () => {
    const reports = { 'quota-kind': { groups: { a: 40, b: 5, c: 5 }, missing: { b: 35, c: 15 } } };
    const said = lines({ accepted: 50, rejected: { small: 30, 'quota-kind': 49 }, reports }, { by: 'kind', counts });
    expect(said[1]).toBe("  most were lost where step 'quota-kind' rejected 49 (24.5 %)");
    expect(said.at(-1)).toContain('--set budget.candidates=440');
  });
});
