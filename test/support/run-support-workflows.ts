/** Workflows of the fault suites: small, with every kind of stage, drop and report. */
import type { PlainWorkflow } from './oracle.ts';
import { workflowFiles } from './random-workflow.ts';

/** A generator, dedup, an exact count that is reached in the middle of a task, and aggregates behind it. */
export const COUNTED: PlainWorkflow = {
  seed: 7,
  accept: 15,
  budget: 90,
  taskSize: 8,
  block: 3,
  partitions: 2,
  data: { words: ['kettle', 'lamp', 'chair', 'clock', 'a', ''] },
  readId: 'read',
  generate: [
    { op: 'select', id: 'word', params: { from: 'words', as: 'word' }, flag: false },
    { op: 'random', id: 'n', params: { as: 'n', integer: [0, 5] }, flag: false },
    { op: 'template', id: 'body', params: { as: 'body', text: ' {{word}}  {{n}}' }, flag: false },
  ],
  verify: [
    { op: 'expression', id: 'divides', params: { keep: '12 / n > 3' }, flag: false },
    { op: 'length', id: 'short', params: { field: 'body', codepoints: [0, 8] }, flag: true },
    { op: 'whitespace', id: 'clean', params: { field: 'body' }, flag: false },
    { op: 'dedup', id: 'once', params: { by: ['body'] }, flag: false },
    { op: 'random', id: 'lot', params: { as: 'lot', integer: [0, 3] }, flag: false },
    { op: 'sample', id: 'few', params: { size: 4 }, flag: false },
    { op: 'summary', id: 'sum', params: { field: 'lot' }, flag: false },
  ],
};

/** A source with malformed lines, two dedups, and no count: the keyed stage publishes from its partitions. */
export const STREAMED: PlainWorkflow = {
  seed: 'tea',
  taskSize: 6,
  block: 4,
  partitions: 3,
  data: { words: ['a', 'b'] },
  readId: 'read',
  source: Array.from({ length: 40 }, (_, at) => {
    if (at % 11 === 5) return { line: '{"body":"a"', expected: { code: 'MALFORMED_JSON' } };
    const row = { body: `  text ${at % 13}`, n: at % 7, x: (at % 5) / 4, opt: at % 3 === 0 ? null : 'x' };
    return { line: JSON.stringify(row), expected: row };
  }),
  generate: [],
  verify: [
    { op: 'whitespace', id: 'clean', params: { field: 'body' }, flag: false },
    { op: 'range', id: 'low', params: { field: 'n', max: 5 }, flag: false },
    { op: 'dedup', id: 'bodies', params: { by: ['body', 'n'] }, flag: false },
    { op: 'clip', id: 'clipped', params: { field: 'body', codepoints: 6 }, flag: false },
    { op: 'dedup', id: 'clips', params: { by: ['body', 'x'] }, flag: false },
  ],
};

/** A source that is copied to the log in several commits. */
export const COPIED: PlainWorkflow = {
  ...STREAMED,
  taskSize: 700,
  block: 1_024,
  source: Array.from({ length: 2_300 }, (_, at) => {
    const row = { body: `line ${at}`, n: at % 5, x: 0, opt: null };
    return { line: JSON.stringify({ body: row.body, n: row.n, x: row.x }), expected: row };
  }),
  verify: STREAMED.verify.slice(0, 3),
};

/** The files of a workflow whose run takes some hundred tasks: long enough to be met alive. */
export function longFiles(name: string, candidates = 6_000): Readonly<Record<string, string>> {
  const { accept: _, ...endless } = COUNTED;
  return workflowFiles({ ...endless, budget: candidates, taskSize: 10, verify: COUNTED.verify.slice(0, 4) }, name);
}
