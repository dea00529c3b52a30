/** Workflows of the runner: some thousand small tasks, so that every fault meets many commits, with drops of every kind on the way. */
import type { OutsideRecord } from '../../support/kafka-producer.ts';
import type { FlowKind } from './plan.ts';

export const RUN_NAME = 'faults';

/** Candidates of a run: enough for it to be alive while all faults come. */
export const CANDIDATES: Readonly<Record<FlowKind, number>> = { counted: 24_000, filed: 12_000, topic: 6_000 };
const TASK_SIZE = 8;
export const PARTITIONS = 3;
export const SOURCE_PARTITIONS = 2;

const VERIFY = `verify:
  - length: { field: body, codepoints: [8, 14] }
  - whitespace: { field: body }
  - dedup: { by: [body] }
publish: { fields: [body] }
`;

const head = (seed: number, rest: string): string =>
  `mizu: 1\nname: ${RUN_NAME}\nseed: ${seed}\npartitions: ${PARTITIONS}\nnodes: 4\ntask: { size: ${TASK_SIZE}, deadline: 5s }\n${rest}`;

export interface FlowFiles {
  readonly [name: string]: string;
}

/** @param topic address and name of the topic, for a flow that reads one. */
export function flowFiles(kind: FlowKind, seed: number, topic?: { readonly url: string; readonly name: string }): FlowFiles {
  if (kind === 'counted') {
    const budget = CANDIDATES.counted;
    const text = head(seed, `accept: ${Math.floor(budget / 4)}\nbudget: { candidates: ${budget} }\ndata: { words: { list: words.txt } }\n`);
    const generate = `generate:
  - select: { from: words, as: word }
  - random: { as: n, integer: [0, 20000] }
  - template: { as: body, text: "{{word}} {{n}}" }
`;
    return { 'workflow.yaml': `${text}${generate}${VERIFY}`, 'words.txt': 'kettle\nlamp\nchair\nclock\na\n' };
  }
  if (kind === 'filed') {
    const lines = Array.from({ length: CANDIDATES.filed }, (_, n) => (isPoison(n) ? '{"body":' : JSON.stringify({ body: bodyOf(n) })));
    return {
      'workflow.yaml': `${head(seed, '')}generate:\n  - read: { path: source.jsonl, fields: { body: string } }\n${VERIFY}`,
      'source.jsonl': `${lines.join('\n')}\n`,
    };
  }
  const sources = `sources: { outside: { url: "${topic?.url}", topic: "${topic?.name}" } }\n`;
  const read = 'generate:\n  - read: { topic: outside, format: json, fields: { body: string }, until: end }\n';
  return { 'workflow.yaml': `${head(seed, sources)}${read}${VERIFY}` };
}

const isPoison = (n: number): boolean => n % 97 === 13;
/** Some are too short, some stand twice. */
const bodyOf = (n: number): string => (n % 11 === 3 ? `x ${n % 50}` : `record ${n % 9 === 4 ? n - 4 : n}`);

/** What somebody else wrote into the topic: records that can't be read, and some without a value, among those that can. */
export function topicRecords(from: number, count: number): OutsideRecord[] {
  return Array.from({ length: count }, (_, at) => from + at).map((n) => ({
    partition: n % SOURCE_PARTITIONS,
    value: isPoison(n) ? (n % 2 === 0 ? null : '{"body":') : JSON.stringify({ body: bodyOf(n) }),
  }));
}
