/**
 * Several judges and every rule that combines them, through the commands: each rule keeps what a plain computation over the judges' scores keeps, a changed
 * rule asks nobody, and with the model server gone verify, replay and show tell the same of each of them (laws 1, 3, 7; P8, P12).
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { publishedRecords, readRun } from '#engine';
import { openLog } from '#topologies';
import { lastObject, mizu } from '../support/cli.ts';
import { judging, partOf, scored, shownRecord } from '../support/judging-peer.ts';
import { type ModelPeer, openModelPeer } from '../support/model-peer.ts';
import { scratchFolder } from '../support/scratch.ts';

const LIMIT_MS = 120_000;
const CANDIDATES = 10;
const MIN = 3;
const JUDGES: readonly string[] = ['strict', 'fair', 'kind'];
const RULES = ['mean', 'median', 'min', 'majority'] as const;
type Rule = (typeof RULES)[number];

const dir = scratchFolder();
const log = join(dir, 'log');
const file = join(dir, 'workflow.yaml');
let peer: ModelPeer;

/** What each judge says of text n, from 1 to 5: they agree about some texts, two of them about others, none about the rest. */
const scoresOf = (n: number): readonly number[] => [1 + (n % 5), 1 + (n % 4), 1 + (Math.floor(n / 4) % 5)];

/** Three scores put together, written as plainly as the rule reads. */
function together(rule: Rule, scores: readonly number[]): number {
  const [low = 0, middle = 0, high = 0] = [...scores].sort((a, b) => a - b);
  if (rule === 'mean') return (low + middle + high) / 3;
  if (rule === 'median') return middle;
  if (rule === 'min') return low;
  // Two of three, or all; where none agree the lowest of those that tie.
  return middle === high ? middle : low;
}

const numberOf = (body: unknown): number => Number(/\d+/.exec(String(body)));

beforeAll(async () => {
  peer = await openModelPeer();
  peer.always(
    judging({
      write: ({ body: { seed } }) => `Words number ${seed % 1_000}.`,
      judge: ({ body }, { body: { model } }) => scored({ tone: scoresOf(numberOf(body))[JUDGES.indexOf(model)] ?? 0 }, `so says ${model}`),
      repair: () => '',
    }),
  );
});
afterAll(() => peer.close());

function write(rule: Rule): void {
  writeFileSync(
    file,
    `mizu: 1
name: letters
seed: 13
budget: { candidates: ${CANDIDATES} }
task: { size: 4 }
models:
${['writer', ...JUDGES].map((name) => `  ${name}: { url: "${peer.url}", model: ${name} }`).join('\n')}
generate:
  - random: { as: n, integer: [1, 1000000] }
  - inference: { as: body, model: writer, prompt: "Write about {{n}}." }
verify:
  - judge:
      id: quality
      field: body
      models: [${JUDGES.join(', ')}]
      rubric: { scores: { tone: { 1: rude, 2: cool, 3: fair, 4: warm, 5: kind } } }
      combine: ${rule}
      min: ${MIN}
      as: quality
publish: { fields: [body, quality] }
`,
  );
}

async function published(
  generation: number,
): Promise<readonly { readonly id: string; readonly body: unknown; readonly quality: unknown }[]> {
  const opened = await openLog(log, { readOnly: true });
  const records = [];
  for await (const { id, row } of publishedRecords(opened, await readRun(opened, 'letters', generation)))
    records.push({ id, body: row['body'], quality: row['quality'] });
  await opened.close();
  return records;
}

it('each rule keeps what it says, and the next one asks nobody; gone servers change nothing of what the log shows', {
  timeout: LIMIT_MS,
}, async () => {
  const kept: number[] = [];
  for (const [n, rule] of RULES.entries()) {
    write(rule);
    const run = await mizu(['run', file, '--log', log, '--json', '--new-generation']);
    expect(run.code, run.stderr).toBe(0);
    const shown = peer.calls.filter((call) => partOf(call) === 'judge').map((call) => numberOf(shownRecord(call)['body']));
    expect([peer.calls.length, shown.length]).toEqual([CANDIDATES * 4, CANDIDATES * JUDGES.length]);
    const records = await published(n + 1);
    for (const { body, quality } of records) {
      const tone = together(rule, scoresOf(numberOf(body)));
      expect(quality).toEqual({ score: expect.closeTo(tone, 12), tone: expect.closeTo(tone, 12) });
      expect(tone).toBeGreaterThanOrEqual(MIN);
    }
    expect(lastObject(run)).toMatchObject({ accepted: records.length, rejected: { quality: CANDIDATES - records.length }, failed: 0 });
    // Every text is shown to each judge.
    expect(JUDGES.length * records.length).toBe(shown.filter((text) => together(rule, scoresOf(text)) >= MIN).length);
    kept.push(records.length);
  }
  // The rules differ here: else one of them could stand for another.
  expect(new Set(kept).size).toBeGreaterThan(1);
  await peer.close();

  const records = await published(RULES.length);
  const on = (...args: string[]) => mizu([...args, '--log', log, '--json']);
  const [verify, replay, story] = await Promise.all([on('verify', 'letters'), on('replay', 'letters'), on('show', records[0]?.id ?? '')]);
  expect([verify.code, replay.code, story.code], verify.stderr + replay.stderr + story.stderr).toEqual([0, 0, 0]);
  const scores = scoresOf(numberOf(records[0]?.body));
  const judged = JUDGES.map((name, n) => ({
    step: `quality.judge${n + 1}`,
    answers: [
      {
        model: { name, asked: name, answered: name },
        signedBy: expect.stringMatching(/^[0-9a-f]{64}$/),
        answer: scored({ tone: scores[n] ?? 0 }, `so says ${name}`),
      },
    ],
  }));
  expect(lastObject(story)).toMatchObject({ outcome: 'published' });
  const steps = (lastObject(story) as { readonly steps: readonly { readonly step: string }[] }).steps;
  for (const one of judged) expect(steps.find(({ step }) => step === one.step)).toMatchObject(one);
  peer = await openModelPeer();
});
