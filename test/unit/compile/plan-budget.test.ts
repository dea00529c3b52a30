/** What is wrong with a budget of tokens or money is said before anything is paid, with place and cure (P15, law 10). */
import { describe, expect, it } from 'vitest';
import type { Compiled, Problem, Registry } from '#engine';
import { compileWorkflow, MizuError } from '#engine';
import { engines, operators } from '#operators';
import { memoryHost } from '../../support/memory-host.ts';

const REGISTRY: Registry = { operators, engines };

function textOf(budget: string, { price = '', more = ', maxTokens: 60', rest = '' } = {}): string {
  return `mizu: 1
name: w
accept: 5
budget: ${budget}
task: { size: 4 }
data: { products: { list: [kettle, lamp] } }
models: { small: { url: "http://127.0.0.1:1/v1"${price} } }
generate:
  - select: { from: products, as: product }
  - inference: { as: body, model: small, prompt: "About {{product}}."${more} }
${rest}`;
}

function compile(text: string): Promise<Compiled> {
  return compileWorkflow({ text, file: 'w.yaml', sets: [] }, memoryHost(), REGISTRY);
}

async function problemsOf(text: string): Promise<readonly Problem[]> {
  try {
    await compile(text);
    return [];
  } catch (error) {
    if (error instanceof MizuError) return error.problems;
    throw error;
  }
}

describe('a budget of tokens or money', () => {
  it('stands in the program with what bounds it, and ends an endless stream', async () => {
    const { program, warnings } = await compile(
      textOf('{ tokens: 50000, money: 1.5 }', { price: ', price: { input: 0.15, output: 0.6 }' }),
    );
    expect(program.budget).toEqual({
      tokens: 50_000,
      requestBytes: 4_096,
      money: { micros: 1_500_000, currency: 'USD', prices: { small: { input: 150_000, output: 600_000 } } },
    });
    expect(warnings).toEqual([]);
  });

  it('makes a price a part of the program only with a budget of money', async () => {
    const without = await compile(textOf('{ tokens: 50000 }'));
    const priced = await compile(textOf('{ tokens: 50000 }', { price: ', price: { input: 3, output: 4, currency: EUR }' }));
    expect(priced.digest).toBe(without.digest);
    expect(priced.deployment.models['small']?.price).toEqual({ input: 3_000_000, output: 4_000_000, currency: 'EUR' });
  });

  it('below what one task could take is refused with the figure', async () => {
    const [tokens] = await problemsOf(textOf('{ tokens: 16879 }'));
    expect(tokens).toMatchObject({ path: 'budget.tokens', expected: 'at least 16880' });
    expect(await problemsOf(textOf('{ tokens: 16880 }'))).toEqual([]);
    const [draws] = await problemsOf(textOf('{ tokens: 16880 }', { more: ', maxTokens: 60, draws: 2' }));
    expect(draws).toMatchObject({ path: 'budget.tokens', expected: 'at least 33760' });
    const price = ', price: { input: 1, output: 2 }';
    const [money] = await problemsOf(textOf('{ money: 0.017119 }', { price }));
    expect(money).toMatchObject({ path: 'budget.money', expected: 'at least 0.01712' });
    expect(await problemsOf(textOf('{ money: 0.01712 }', { price }))).toEqual([]);
  });

  it('needs maxTokens, prices in one currency, and amounts that are exact', async () => {
    expect((await problemsOf(textOf('{ tokens: 90000 }', { more: '' }))).map(({ message }) => message)).toEqual([
      "Step 'body' gives no 'maxTokens', so the most that it could take is not known",
    ]);
    expect((await problemsOf(textOf('{ money: 5 }')))[0]).toMatchObject({ path: 'models.small' });
    expect((await problemsOf(textOf('{ money: 0.0000001 }')))[0]).toMatchObject({ path: 'budget.money' });
    expect((await problemsOf(textOf('{ tokens: 90000 }', { price: ', price: { input: -1, output: 0 }' })))[0]).toMatchObject({
      path: 'models.small.price.input',
    });
    expect((await problemsOf(textOf('{ candidates: 9, requestBytes: 500 }')))[0]).toMatchObject({ path: 'budget.requestBytes' });
    expect((await problemsOf(textOf('{ tokns: 90000 }')))[0]).toMatchObject({ path: 'budget.tokns', hint: "did you mean 'tokens'?" });
  });
});
