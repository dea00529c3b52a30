/** How varied a run was is told from its records alone: however they are cut into steps, and whoever took over in between. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DataSet, Json, KeyedExecutor, Row, Value } from '#engine';
import { sha256, toHex, utf8 } from '#engine';
import { openKeyed } from '../../support/open-keyed.ts';

function step(executor: KeyedExecutor, k: number, rows: readonly Row[]): void {
  const batch = {
    k,
    rows: Uint32Array.from(rows, (_, row) => row),
    candidate: (row: number) => row,
    key: () => new Uint8Array(32),
    digest: () => new Uint8Array(32),
    record: () => new Uint8Array(0),
    row: (row: number) => rows[row] ?? {},
  };
  executor.apply(executor.step(batch, { duplicate: () => {}, reject: () => {}, charge: () => {} }));
}

/** Runs the steps; before step `takeOver` another executor takes the state over from a snapshot. */
async function takenOver(make: () => Promise<KeyedExecutor>, steps: readonly (readonly Row[])[], takeOver: number): Promise<KeyedExecutor> {
  let executor = await make();
  for (const [k, rows] of steps.entries()) {
    if (k === takeOver) {
      const next = await make();
      next.restore?.(executor.snapshot?.() ?? new Uint8Array(0));
      executor = next;
    }
    step(executor, k, rows);
  }
  return executor;
}

const text = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', 'B', ' ', '\u00a0', '\n', '😀', '.'), maxLength: 20 }),
  fc.constant(null),
);
const texts = fc.array(fc.array(text, { maxLength: 5 }), { minLength: 1, maxLength: 6 });

/** The figures by their definition. */
function plainDistinct(all: readonly (string | null)[], n: number): Json {
  const sequences = all.flatMap((one) => {
    const words = (one ?? '').split(/\p{White_Space}+/u).filter((word) => word !== '');
    return words.slice(n - 1).map((_, from) => words.slice(from, from + n).join(' '));
  });
  const different = new Set(sequences).size;
  return { sequences: sequences.length, different, share: sequences.length === 0 ? null : different / sequences.length, exact: true };
}

describe('distinct', () => {
  const make = (): Promise<KeyedExecutor> => openKeyed('distinct', { field: 't' });

  it('is the share of different word sequences, however records are cut into steps, and over a take-over', async () => {
    await fc.assert(
      fc.asyncProperty(texts, fc.nat(6), async (cut, takeOver) => {
        const steps = cut.map((step) => step.map((t) => ({ t })));
        const executor = await takenOver(make, steps, takeOver);
        const all = cut.flat();
        expect(executor.report?.()).toEqual({
          texts: all.filter((one) => one !== null).length,
          distinct1: plainDistinct(all, 1),
          distinct2: plainDistinct(all, 2),
          distinct3: plainDistinct(all, 3),
        });
        // The state is bytes that only the records decide.
        const undisturbed = await takenOver(make, steps, -1);
        expect(toHex(executor.snapshot?.() ?? new Uint8Array(0))).toBe(toHex(undisturbed.snapshot?.() ?? new Uint8Array(0)));
      }),
    );
  });

  it('estimates what is beyond its memory within 5 %, and its state stays as large', async () => {
    const executor = await make();
    const words = 40_000;
    const sizes: number[] = [];
    for (let k = 0; k < 8; k++) {
      const rows = Array.from({ length: 50 }, (_, row) => ({
        t: Array.from({ length: words / 400 }, (_, word) => `word${(k * 50 + row) * (words / 400) + word}`).join(' '),
      }));
      step(executor, k, rows);
      sizes.push(executor.snapshot?.().length ?? 0);
    }
    const report = (executor.report?.() ?? {}) as {
      readonly distinct1?: { readonly different: number; readonly sequences: number; readonly exact: boolean };
    };
    const { distinct1 = { different: 0, sequences: 0, exact: true } } = report;
    expect([distinct1.sequences, distinct1.exact]).toEqual([words, false]);
    expect(Math.abs(distinct1.different / words - 1)).toBeLessThan(0.05);
    expect(Math.max(...sizes.slice(2)) - Math.min(...sizes.slice(2))).toBeLessThan(100);
  });
});

describe('coverage', () => {
  const people: readonly Value[] = ['ada', 'bo', '😀', 'bo', ''];
  const data: DataSet = { digest: toHex(sha256(utf8('people'))) as DataSet['digest'], kind: 'list', type: 'string', values: people };
  const make = (): Promise<KeyedExecutor> => openKeyed('coverage', { field: 'who' }, { data });
  const who = fc.constantFrom('ada', 'bo', '😀', '', 'somebody else', null);

  it('counts each element, and what is none, however records are cut into steps, and over a take-over', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(who, { maxLength: 6 }), { minLength: 1, maxLength: 6 }), fc.nat(6), async (cut, takeOver) => {
        const executor = await takenOver(
          make,
          cut.map((step) => step.map((one) => ({ who: one }))),
          takeOver,
        );
        const all = cut.flat();
        const elements = [...new Set(people)];
        const counts = elements.map((element) => all.filter((one) => one === element).length);
        expect(executor.report?.()).toEqual({
          elements: elements.length,
          used: counts.filter((n) => n > 0).length,
          least: Math.min(...counts),
          most: Math.max(...counts),
          other: all.filter((one) => one === null || !elements.includes(one)).length,
          unused: elements.filter((_, n) => counts[n] === 0),
        });
      }),
    );
  });
});
