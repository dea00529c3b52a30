/** A strict reader of what a process tells Prometheus. */
import { expect } from 'vitest';

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** The text format, version 0.0.4. Throws for a line that is none of it. */
export function parseExposition(text: string): { readonly kinds: ReadonlyMap<string, string>; readonly samples: readonly Sample[] } {
  const kinds = new Map<string, string>();
  const samples: Sample[] = [];
  expect(text.endsWith('\n')).toBe(true);
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue;
    const type = /^# TYPE ([a-z_][a-z0-9_]*) (counter|gauge|histogram|summary)$/.exec(line);
    if (type !== null) {
      expect(kinds.has(type[1] ?? '')).toBe(false);
      kinds.set(type[1] ?? '', type[2] ?? '');
      continue;
    }
    // The format reads numbers as Go does, which takes NaN in any case; the client writes it as `Nan`.
    const sample = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (NaN|Nan|[+-]?Inf|[0-9.eE+-]+)$/.exec(line);
    if (sample === null) expect.fail(`no line of the format: ${line}`);
    const labels: Record<string, string> = {};
    const inside = sample[2] ?? '';
    LABEL.lastIndex = 0;
    while (LABEL.lastIndex < inside.length) {
      const pair = LABEL.exec(inside);
      if (pair === null) expect.fail(`no labels: ${inside}`);
      labels[pair[1] ?? ''] = pair[2] ?? '';
    }
    samples.push({ name: sample[1] ?? '', labels, value: Number(sample[3]) });
  }
  return { kinds, samples };
}
