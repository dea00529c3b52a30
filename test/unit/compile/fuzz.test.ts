/** A damaged workflow never crashes or hangs the compiler: it compiles, or every problem has a place and a cure (law 10). */
import { describe, expect, it } from 'vitest';
import { formatProblems } from '../../../engine/workflow/format-problems.ts';
import { problemsOf, SMALL_WORKFLOW } from '../../support/small-workflow.ts';

const WORKFLOW = `${SMALL_WORKFLOW}task: { size: 5, deadline: 60s }\nmodels:\n  m: { url: "http://127.0.0.1:1/v1", keyEnv: KEY }\n`;
const SEED = 20_260;
const RUNS = 600;

/** Mulberry32: small, seeded, good enough to pick mutations. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const NOISE = [
  '{',
  '}',
  '[',
  ']',
  ':',
  '- ',
  '"',
  "'",
  '&a ',
  '*a',
  '!x ',
  '#',
  '\n',
  '\t',
  '  ',
  '|',
  '>',
  '0',
  '-1',
  '1e999',
  '~',
  'null',
  'true',
  '__proto__: 1',
  '\u0000',
  '\uFEFF',
  '😀',
  '\uD800',
  '? ',
  '%',
  '@',
  '<<: *a',
  '---\n',
  '...\n',
  'a: 1\n',
];

const MUTATIONS: readonly ((text: string, pick: (below: number) => number) => string)[] = [
  (text, pick) => {
    const at = pick(text.length);
    return text.slice(0, at) + text.slice(at + 1 + pick(4));
  },
  (text, pick) => {
    const at = pick(text.length);
    return text.slice(0, at) + (NOISE[pick(NOISE.length)] ?? '') + text.slice(at);
  },
  (text, pick) => {
    const lines = text.split('\n');
    lines.splice(pick(lines.length), 1);
    return lines.join('\n');
  },
  (text, pick) => {
    const lines = text.split('\n');
    lines.splice(pick(lines.length), 0, lines[pick(lines.length)] ?? '');
    return lines.join('\n');
  },
  (text, pick) => {
    const words = text.split(/\b/);
    const [a, b] = [pick(words.length), pick(words.length)];
    [words[a], words[b]] = [words[b] ?? '', words[a] ?? ''];
    return words.join('');
  },
  (text, pick) => {
    const words = text.split(/\b/);
    words[pick(words.length)] = NOISE[pick(NOISE.length)] ?? '';
    return words.join('');
  },
];

describe(`a workflow damaged in ${RUNS} ways (seed ${SEED})`, () => {
  it('compiles, or says where and what to do', async () => {
    const pick = random(SEED);
    let refused = 0;
    for (let run = 0; run < RUNS; run++) {
      let text = WORKFLOW;
      for (let n = 0; n <= pick(3); n++) text = MUTATIONS[pick(MUTATIONS.length)]?.(text, pick) ?? text;
      const problems = await problemsOf(text);
      refused += problems.length > 0 ? 1 : 0;
      for (const problem of problems) {
        const shown = `${formatProblems([problem])}\n--- run ${run}\n${text}`;
        expect(problem.line !== undefined || problem.file !== undefined, `no place: ${shown}`).toBe(true);
        expect(problem.hint !== undefined || problem.expected !== undefined, `no cure: ${shown}`).toBe(true);
        expect(problem.message.length, shown).toBeLessThan(400);
        expect(formatProblems([problem])).not.toContain('undefined');
      }
    }
    // Otherwise the mutations would not be damage.
    expect(refused).toBeGreaterThan(RUNS / 2);
  });
});
