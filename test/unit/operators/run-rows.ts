/** Runs one operator over rows through the kernel: texts in, texts out, for properties over many values. */
import { runGoldenCase } from '#engine';
import type { GoldenOutcome, Json, Row } from '#engine';
import { engines, operators } from '#operators';

export async function runRows(
  name: string,
  params: Json,
  input: readonly Row[],
  data: Readonly<Record<string, readonly (string | number)[]>> = {},
): Promise<readonly GoldenOutcome[]> {
  const operator = operators.find((known) => known.name === name);
  if (operator === undefined) throw new RangeError(`no operator ${name}`);
  return runGoldenCase({ operators, engines }, operator, { title: 'rows', params, input, output: [], data });
}

export async function runTexts(name: string, params: Record<string, Json>, texts: readonly string[]): Promise<readonly string[]> {
  const outcomes = await runRows(
    name,
    { field: 'text', ...params },
    texts.map((text) => ({ text })),
  );
  return outcomes.map((outcome) => ('row' in outcome ? String(outcome.row['text']) : JSON.stringify(outcome)));
}
