/**
 * A workflow with everything that comes from outside: verifiable random numbers, a model that writes, judges and repairs, a quota, and a budget of tokens
 * or money that ends the run. What the model says is a function of the question, so that two runs can be compared.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pemOfSeed } from '#engine';
import { judging, scored } from './judging-peer.ts';

export const LETTERS = { name: 'letters', generation: 1 } as const;

/** Every third text is too short, every fourth is rude, and no rewriting of every eighth is any better. */
export const letterModel = judging({
  write: ({ body: { seed } }) => (seed % 3 === 0 ? 'Short.' : `${seed % 4 === 0 ? 'Rude' : 'Kind'} words number ${seed % 1_000} about it.`),
  judge: ({ body }) => scored({ facts: 2, tone: String(body).includes('Rude') ? 1 : 3 }),
  repair: ({ body }, { body: { seed } }) =>
    String(body).includes('Rude')
      ? String(body).replaceAll('Rude', seed % 2 === 0 ? 'Kind' : 'Still Rude')
      : `A longer text number ${seed % 1_000}.`,
});

/** Gives a log its key: random numbers are those of a key, and with this one all counts are known. */
export function keepKey(home: string): void {
  mkdirSync(join(home, 'keys'), { recursive: true, mode: 0o700 });
  writeFileSync(join(home, 'keys', 'signer.pem'), pemOfSeed(new Uint8Array(32).fill(7)), { mode: 0o600 });
}

/** Each answer takes 11 + 7 tokens (see `completion`): at these prices 5.85 millionths. */
export function writeLetters(folder: string, url: string, budget: string): string {
  const file = join(folder, 'workflow.yaml');
  writeFileSync(
    file,
    `mizu: 1
name: letters
seed: 7
accept: 1000
budget: ${budget}
task: { size: 4, deadline: 60s }
partitions: 2
nodes: 2
data: { products: { list: [kettle, lamp, chair, clock] } }
models: { small: { url: "${url}", model: smollm2, calls: 8, price: { input: 0.15, output: 0.6, currency: EUR } } }
generate:
  - select: { from: products, as: product, random: vrf }
  - inference: { as: body, model: small, prompt: "Write about the {{product}}.", maxTokens: 60 }
verify:
  - repair: { id: form, field: body, model: small, maxTokens: 60, checks: [{ length: { field: body, words: [3, 20] } }] }
  - judge:
      id: quality
      field: body
      with: [product]
      model: small
      rubric: { scores: { tone: { 1: rude, 3: kind }, facts: { 1: none, 2: some } } }
      min: 2
      least: { tone: 2 }
      maxTokens: 60
      onFail: repair
      repair: { maxTokens: 60 }
      as: quality
  - quota: { by: product, counts: { kettle: 1 }, each: 3 }
publish: { fields: [product, body, quality] }
`,
  );
  return file;
}
