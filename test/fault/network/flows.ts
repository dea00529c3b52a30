/** Workflows of the runner: so many small tasks that a run lasts longer than its faults and each meets many commits, with drops of every kind on the way. */
import type { OutsideRecord } from '../../support/kafka-producer.ts';
import { type Plan, plannedMs } from './plan.ts';

export const RUN_NAME = 'faults';

/** Tasks of a run for each second that its faults take: more than a slow machine gets through while it is disturbed. A fast one is held back (pace.ts). */
const TASKS_PER_SECOND = 25;
const TASKS_LEAST = 400;
const TASK_SIZE = 8;
/** Of the candidates of a counted run, some less than come to be accepted. */
const ACCEPTED_SHARE = 0.7;
export const PARTITIONS = 3;
export const SOURCE_PARTITIONS = 2;

const VERIFY = `verify:
  - length: { field: body, codepoints: [8, 14] }
  - whitespace: { field: body }
  - dedup: { by: [body] }
publish: { fields: [body] }
`;

const head = (seed: number, rest: string): string =>
  `mizu: 1\nname: ${RUN_NAME}\nseed: ${seed}\npartitions: ${PARTITIONS}\nnodes: 4\ntask: { size: ${TASK_SIZE}, deadline: 20s }\n${rest}`;

export interface FlowFiles {
  readonly [name: string]: string;
}

/** Tasks of a run, roughly for one with an exact count. */
export function tasksOf({ faults }: Pick<Plan, 'faults'>): number {
  return Math.max(TASKS_LEAST, Math.ceil((plannedMs(faults) / 1000) * TASKS_PER_SECOND));
}

export const candidatesOf = (plan: Plan): number => tasksOf(plan) * TASK_SIZE;

/** @param topic address and name of the topic, for a flow that reads one. */
export function flowFiles(plan: Plan, topic?: { readonly url: string; readonly name: string }): FlowFiles {
  const { flow, seed } = plan;
  const candidates = candidatesOf(plan);
  if (flow === 'counted') {
    const bounds = `accept: ${Math.floor(candidates * ACCEPTED_SHARE)}\nbudget: { candidates: ${2 * candidates} }\n`;
    const text = head(seed, `${bounds}data: { words: { list: words.txt } }\n`);
    const generate = `generate:
  - select: { from: words, as: word }
  - random: { as: n, integer: [0, 20000] }
  - template: { as: body, text: "{{word}} {{n}}" }
`;
    return { 'workflow.yaml': `${text}${generate}${VERIFY}`, 'words.txt': 'kettle\nlamp\nchair\nclock\na\n' };
  }
  if (flow === 'filed') {
    const lines = Array.from({ length: candidates }, (_, n) => (isPoison(n) ? '{"body":' : JSON.stringify({ body: bodyOf(n) })));
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
