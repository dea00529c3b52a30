import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OFF, PLAYER } from '../../bench/benches/proofs.ts';
import type { DatavmPlay } from '../../bench/engines/datavm.ts';
import { W1Generator } from '../../bench/w1/generator.ts';

const LINES = 3_000;

describe('proofs turned off for a benchmark', () => {
  it('leave the same records and drops, and no leaf', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mizu-test-'));
    try {
      const file = join(folder, 'in.jsonl');
      const generator = new W1Generator();
      writeFileSync(file, Array.from({ length: LINES }, (_, i) => `${generator.line(i)}\n`).join(''));
      const play = (...preload: string[]): DatavmPlay =>
        JSON.parse(execFileSync(process.execPath, [...preload, PLAYER, file], { encoding: 'utf8' }));
      const [on, off] = [play(), play('--import', OFF)];
      expect(on.side.exact?.ok).toBe(true);
      expect(off.records).toBe(on.records);
      expect(off.bytes).not.toBe(on.bytes);
      expect(on.leaves).toBeGreaterThan(50);
      expect(off.leaves).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
