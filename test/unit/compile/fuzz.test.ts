/**
 * A damaged workflow, or configuration of a gateway, never crashes, hangs or bloats the compiler: it compiles, or every problem has a place and a cure (law 10).
 * `npm run fuzz` plays more of the same; MIZU_FUZZ_FILES sets how many this plays, MIZU_SEED replays them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeCorpus } from '../../fuzz/corpus.ts';
import { judgeWorkflow } from '../../fuzz/judge.ts';
import { play } from '../../fuzz/play.ts';

const FILES = Number(process.env['MIZU_FUZZ_FILES'] ?? 100_000);
/** Where the machine is slow or busy, fewer are played: the test says how many at least. */
const WITHIN_MS = process.env['MIZU_FUZZ_FILES'] === undefined ? 12_000 : Number.POSITIVE_INFINITY;
const FILES_LEAST = 200;
const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);

/** Examples whose source is broken on purpose: the compiler says so before any damage. */
const BROKEN_SOURCES = ['template-4', 'read-1'];

describe('what is damaged', () => {
  it('compiles as long as it is whole', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mizu-fuzz-'));
    try {
      const corpus = writeCorpus(folder);
      const refused: string[] = [];
      for (const { name, text } of corpus.samples)
        if ((await judgeWorkflow(Buffer.from(text), corpus.host())) !== 'compiles') refused.push(name);
      expect(refused).toEqual(BROKEN_SOURCES);
      expect(corpus.samples.length).toBeGreaterThan(100);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe(`what is damaged by seed ${SEED}`, () => {
  it('compiles, or says where and what to do: workflows', async () => {
    const played = await play({ kind: 'workflow', seed: SEED, from: 0, to: FILES, threads: 2, withinMs: WITHIN_MS });
    expect(played.findings).toEqual([]);
    expect(played.files).toBeGreaterThanOrEqual(FILES_LEAST);
    // Otherwise the damages would be none, or nothing but damage.
    expect(played.refused).toBeGreaterThan(played.files / 3);
    expect(played.compiles).toBeGreaterThan(played.files / 50);
  });

  it('compiles, or says where and what to do: configurations of gateways', async () => {
    const played = await play({ kind: 'gateway', seed: SEED, from: 0, to: 500, threads: 1, withinMs: WITHIN_MS });
    expect(played.findings).toEqual([]);
    expect(played.files).toBeGreaterThanOrEqual(FILES_LEAST);
    expect(played.refused).toBeGreaterThan(played.files / 3);
  });
});
