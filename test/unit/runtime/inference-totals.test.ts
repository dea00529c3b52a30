/** What is still to come while models are asked: the mean so far for each candidate that is left, and nothing where nothing can be said. */
import { registry } from '#topologies';
import { compileWorkflow, inferenceEstimate, inferenceTotals, step, workflow, type Compiled } from '#engine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { estimateText, inferenceRows } from '../../../cli/inference-text.ts';
import { memoryHost } from '../../support/memory-host.ts';

const LIMIT = 400;
/** Millionths of a euro for a million tokens, as prices are given: 2 and 10 EUR. */
const PRICE = { input: 2, output: 10, currency: 'EUR' };

const compiled = ({ accept, price = true }: { readonly accept?: number; readonly price?: boolean } = {}): Promise<Compiled> => {
  const document = workflow({
    name: 'notes',
    seed: 3,
    budget: { candidates: LIMIT },
    ...(accept === undefined ? {} : { accept }),
    data: { products: { list: ['kettle'] } },
    models: { small: { url: 'http://127.0.0.1:9/v1', ...(price ? { price: PRICE } : {}) } },
  })
    .generate(
      step('select', { from: 'products', as: 'product' }),
      step('inference', { as: 'note', model: 'small', prompt: 'Write about {{product}}.' }),
    )
    .verify(step('judge', { field: 'note', model: 'small', rubric: { scores: { tone: { 1: 'rude', 2: 'kind' } } }, min: 1 })).document;
  return compileWorkflow({ file: 'w.yaml', spec: document }, memoryHost(), registry);
};

const usageOf = (candidates: number) => ({
  note: { questions: candidates, input: 11 * candidates, output: 7 * candidates },
  'judge-note.judge1': { questions: candidates, input: 30 * candidates, output: 2 * candidates },
});
/** Of one candidate. */
const TOKENS = 50;
const MICROS = (41 * PRICE.input + 9 * PRICE.output) / 1;

describe('an estimate', () => {
  it('is the mean so far for every candidate that is left, of those that the count needs or the budget allows', async () => {
    const { program, deployment } = await compiled({ accept: 100 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: LIMIT }), fc.integer({ min: 1, max: 100 }), (candidates, kept) => {
        const accepted = Math.min(kept, candidates);
        const left = Math.min(LIMIT - candidates, Math.ceil(((100 - accepted) * candidates) / accepted));
        expect(inferenceEstimate(program, deployment, { candidates, accepted, usage: usageOf(candidates) })).toEqual({
          candidates: left,
          tokens: left * TOKENS,
          micros: left * MICROS,
        });
      }),
    );
  });

  it('without a count is of all candidates; at its end it is nothing', async () => {
    const { program, deployment } = await compiled();
    const at = (candidates: number) => inferenceEstimate(program, deployment, { candidates, accepted: 1, usage: usageOf(candidates) });
    expect(at(100)).toEqual({ candidates: 300, tokens: 300 * TOKENS, micros: 300 * MICROS });
    expect(at(LIMIT)).toEqual({ candidates: 0, tokens: 0, micros: 0 });
    expect(estimateText(at(LIMIT), 'EUR')).toBe('');
  });

  it('is none before anything was counted, and has no cost where a model has no price', async () => {
    const { program, deployment } = await compiled({ price: false });
    expect(inferenceEstimate(program, deployment, { candidates: 0, accepted: 0, usage: {} })).toBeUndefined();
    const estimate = inferenceEstimate(program, deployment, { candidates: 100, accepted: 90, usage: usageOf(100) });
    expect(estimate).toMatchObject({ tokens: 300 * TOKENS, micros: null });
    expect(estimateText(estimate, null)).toBe('about 15,000 tokens to come (estimate: 300 candidates × mean so far)');
  });
});

it('what was taken is told in all and for each step that asks, with its model and cost', async () => {
  const { program, deployment } = await compiled();
  const rows = inferenceRows(inferenceTotals(program, deployment, usageOf(100)));
  expect(rows).toEqual([
    ['inference', '200 questions, 5,000 tokens (4,100 in, 900 out), 0.0172 EUR'],
    ['  note', '100 questions, 1,800 tokens (1,100 in, 700 out), 0.0092 EUR, by small'],
    ['  judge-note.judge1', '100 questions, 3,200 tokens (3,000 in, 200 out), 0.008 EUR, by small'],
  ]);
});
