/** What a quota and the measures of diversity report, from the whole list of records at once. */
import type { PlainRow, PlainStep, PlainValue } from './oracle-ops.ts';

const tally = (values: readonly string[]): { [value: string]: number } => {
  const counts: { [value: string]: number } = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
};

export function quotaReport(kept: readonly PlainRow[], { params }: PlainStep): unknown {
  const groups = tally(kept.map((row) => String(row[String(params['by'])])));
  const wanted = Object.entries((params['counts'] ?? {}) as { readonly [category: string]: number });
  const missing = wanted.map(([category, count]): [string, number] => [category, count - (groups[category] ?? 0)]);
  return { groups, missing: Object.fromEntries(missing.filter(([, left]) => left > 0)) };
}

export function coverageReport(
  rows: readonly PlainRow[],
  { params }: PlainStep,
  data: { readonly [name: string]: readonly PlainValue[] },
): unknown {
  const elements = [...new Set((data[String(params['of'])] ?? []).map(String))];
  const values = rows.map((row) => String(row[String(params['field'])]));
  const counts = elements.map((element) => values.filter((value) => value === element).length);
  return {
    elements: elements.length,
    used: counts.filter((n) => n > 0).length,
    least: Math.min(...counts),
    most: Math.max(...counts),
    other: values.filter((value) => !elements.includes(value)).length,
    unused: elements.filter((_, at) => counts[at] === 0),
  };
}

export function distinctReport(rows: readonly PlainRow[], { params }: PlainStep): unknown {
  const texts = rows.flatMap((row) => {
    const text = row[String(params['field'])];
    return typeof text === 'string' ? [text] : [];
  });
  const figures = [1, 2, 3].map((n) => {
    const sequences = texts.flatMap((text) => {
      const words = text.split(/\p{White_Space}+/u).filter((word) => word !== '');
      return words.slice(n - 1).map((_, from) => words.slice(from, from + n).join(' '));
    });
    const different = new Set(sequences).size;
    return [
      `distinct${n}`,
      { sequences: sequences.length, different, share: sequences.length === 0 ? null : different / sequences.length, exact: true },
    ];
  });
  return { texts: texts.length, ...Object.fromEntries(figures) };
}
