/**
 * What every operator upholds, run on each of them: its documented examples happen exactly as written, its parameters are strict and
 * described, and its documentation is complete. The examples are the reference's, so the reference can't be wrong.
 */
import { runGoldenCase } from '#engine';
import type { Operator, Registry } from '#engine';
import { engines, operators } from '#operators';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const registry: Registry = { operators, engines };
/** Fewest documented examples of an operator. */
const EXAMPLES_LEAST = 3;

describe.each(operators.map((operator) => ({ name: operator.name, operator })))('operator $name', ({ operator }) => {
  it.each(operator.examples.map((golden) => ({ title: golden.title, golden })))('does as documented: $title', async ({ golden }) => {
    const outcomes = await runGoldenCase(registry, operator, golden);
    expect(outcomes).toEqual(golden.output);
    expect(outcomes).toHaveLength(golden.input.length);
  });

  it('gives the same outcome each time it is run', async () => {
    for (const golden of operator.examples) {
      expect(await runGoldenCase(registry, operator, golden)).toEqual(await runGoldenCase(registry, operator, golden));
    }
  });

  it(`has at least ${EXAMPLES_LEAST} examples, each with its own title`, () => {
    expect(operator.examples.length).toBeGreaterThanOrEqual(EXAMPLES_LEAST);
    expect(new Set(operator.examples.map((golden) => golden.title)).size).toBe(operator.examples.length);
  });

  it('describes itself and every parameter', () => {
    expect(operator.summary).toMatch(/^[A-Z].*\.$/);
    expect(operator.description.length).toBeGreaterThan(40);
    const properties = parameterSchemas(operator);
    expect(Object.keys(properties).length).toBeGreaterThan(0);
    for (const [name, schema] of Object.entries(properties)) expect(schema, `parameter '${name}'`).toHaveProperty('description');
  });

  it('refuses a parameter that it does not know', () => {
    const [golden] = operator.examples;
    const params = { ...z.record(z.string(), z.unknown()).parse(golden?.params), 'no-such-parameter': 1 };
    expect(operator.params.safeParse(params).success).toBe(false);
  });

  it('states its gas in whole numbers', () => {
    expect(Number.isSafeInteger(operator.gas.perRecord) && operator.gas.perRecord >= 0).toBe(true);
    expect(Number.isSafeInteger(operator.gas.per64Bytes) && operator.gas.per64Bytes >= 0).toBe(true);
  });
});

it('names are unique, and there are operators of every first group', () => {
  expect(new Set(operators.map((operator) => operator.name)).size).toBe(operators.length);
  expect(new Set(operators.map((operator) => operator.group))).toEqual(
    new Set(['select', 'template', 'generate', 'rule', 'judge', 'correct', 'aggregate']),
  );
});

function parameterSchemas(operator: Operator): Record<string, object> {
  const schema = z.toJSONSchema(operator.params, { io: 'input', unrepresentable: 'any' });
  return z.record(z.string(), z.looseObject({})).parse(schema.properties ?? {});
}
