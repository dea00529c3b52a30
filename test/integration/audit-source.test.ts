/** `mizu audit --source` (laws 4, 5): of a run that read a topic it finds nothing, and each way to lose or repeat a record of the topic, planted, it finds and names. */
import { tmpdir } from 'node:os';
import { beforeAll, describe, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { auditRun, compileWorkflow, deploy, readRun, RunTopics, runToEnd, type Signer } from '#engine';
import { openSigner, registry, temporaryStorage, WORKER_URL } from '#topologies';
import { memoryHost } from '../support/memory-host.ts';
import { MemoryTopic } from '../support/memory-topic.ts';
import { LocalExecutor } from '../support/run-support.ts';
import { at, type Plant } from '../support/planted-writes.ts';
import { resignControl, type StoredEntry, type Tamper, withTampered } from '../support/tamper.ts';
import { runFolder } from '../support/verify-support.ts';

const topics = new RunTopics({ name: 'w', generation: 1 });
const NEVER = new AbortController().signal;
const TASK_SIZE = 6;
/** Where partition 0 has no record: an aborted transaction. */
const GAP = 10;
const RECORDS = 27;

/** The topic; as seen by somebody else, with a record in the gap, or without the one before. */
function topicAs(seen: 'it was' | 'with one more' | 'with one less'): MemoryTopic {
  const topic = new MemoryTopic('t', 2);
  const texts = (count: number): string[] => Array.from({ length: count }, (_, n) => `text ${n}`);
  topic.append(0, texts(GAP - 1));
  if (seen === 'with one less') topic.skip(0, 1);
  else topic.append(0, ['the one before']);
  if (seen === 'with one more') topic.append(0, ['one more']);
  else topic.skip(0, 1);
  topic.append(0, texts(10));
  topic.append(1, texts(RECORDS - GAP - 10));
  return topic;
}

/** A run that took the whole topic; gives the folder of its log. */
async function runOver(ingest: 'copy' | 'reference'): Promise<string> {
  const directory = runFolder();
  const step = `read: { topic: t, format: text, until: end, ingest: ${ingest} }`;
  const text = `mizu: 1\nname: w\npartitions: 2\ntask: { size: ${TASK_SIZE} }\ngenerate:\n  - ${step}\n`;
  const { program, digest, deployment, data } = await compileWorkflow({ text, file: 'w.yaml' }, memoryHost(), registry);
  const openExternal = async (): Promise<MemoryTopic> => topicAs('it was');
  const log = await openEmbeddedLog({ directory });
  const local = temporaryStorage();
  try {
    await deploy(log, { program, digest, deployment, data: data.values(), newGeneration: false, openExternal, signal: NEVER });
    const run = await readRun(log, 'w');
    const roles = { registry, local, signer: openSigner(log), workerUrl: WORKER_URL, workers: 1, nodes: 1, signal: NEVER };
    const summary = await runToEnd({ log, run, ...roles, openExternal, executor: new LocalExecutor(run) });
    expect([summary.reason, summary.candidates]).toEqual(['exhausted', RECORDS]);
  } finally {
    await local.close();
    await log.close();
  }
  return directory;
}

async function findings(directory: string, plant: Plant, outside: MemoryTopic): Promise<string[]> {
  const change = async (tamper: Tamper): Promise<void> => {
    const own = await openEmbeddedLog({ directory });
    const signer = openSigner(own);
    await own.close();
    await plant(tamper, signer);
  };
  return withTampered(directory, change, async (log, run) => {
    const report = await auditRun(log, await run(), { folder: tmpdir(), external: async () => outside });
    expect(report.ok).toBe(report.findings.length === 0);
    return report.findings.map(({ kind, topic, what }) => `${kind} ${topic.slice(topics.prefix.length)}: ${what}`);
  });
}

/** Changes the ranges of the cuts, each a partition, the first and the one behind the last. */
const recut =
  (edit: (range: readonly [number, number, number]) => readonly [number, number, number]): Plant =>
  (tamper: Tamper, signer: Signer) =>
    resignControl(tamper, signer, (body) => (body.type === 'cut' ? [{ ...body, ranges: body.ranges.map(edit) }] : [body]));
const nothing: Plant = () => undefined;
const last = (entries: readonly StoredEntry[]): StoredEntry => entries.at(-1) as StoredEntry;

describe('an audit of a run with the topic that it read', () => {
  let copied: string;
  let referred: string;
  beforeAll(async () => {
    copied = await runOver('copy');
    referred = await runOver('reference');
  });

  it('finds nothing, whether the records were copied or referred to', async () => {
    for (const directory of [copied, referred]) expect(await findings(directory, nothing, topicAs('it was'))).toEqual([]);
  });

  it('finds a record of the topic that was never copied', async () => {
    expect(await findings(copied, nothing, topicAs('with one more'))).toEqual([
      `lost source: offset ${GAP} of partition 0 of the topic was never copied`,
    ]);
  });

  it('finds records that were copied twice, and those of the copy that are in no task', async () => {
    const plant: Plant = (tamper) =>
      tamper.change(at(topics.source), (entries) => [
        ...entries,
        { ...last(entries), headers: { ...last(entries).headers, from: String(RECORDS) } },
      ]);
    const told = await findings(copied, plant, topicAs('it was'));
    expect(told.filter((text) => /^duplicated source: offset \d+ of partition [01] of the topic is copied twice$/.test(text))).not.toEqual(
      [],
    );
    expect(told).toContainEqual(
      expect.stringMatching(new RegExp(`^lost control: records ${RECORDS} to \\d+ of the copied source are in no task$`)),
    );
  });

  it('finds records of the copy that are gone', async () => {
    const plant: Plant = (tamper) =>
      tamper.change(at(topics.source), (entries) => entries.map((entry) => ({ ...entry, headers: { ...entry.headers, from: '3' } })));
    const told = await findings(copied, plant, topicAs('it was'));
    expect(told).toContain('lost source: records 0 to 2 of the copied source are missing');
  });

  it.each([
    [
      'that a task took less records than stand in its ranges',
      'with one more',
      /^lost results: task \d+ took \d+ records, and \d+ stand in its ranges$/,
    ],
    ['that a task took more', 'with one less', /^duplicated results: task \d+ took \d+ records, and \d+ stand in its ranges$/],
  ] as const)('finds, by reference, %s', async (_, seen, what) => {
    expect(await findings(referred, nothing, topicAs(seen))).toEqual([expect.stringMatching(what)]);
  });

  it('finds gaps between the ranges of the cuts, before the first and behind the last', async () => {
    const begin = await findings(
      referred,
      recut(([p, from, to]) => [p, from === 0 ? 1 : from, to]),
      topicAs('it was'),
    );
    expect(begin).toContain('lost control: the first cut of partition 0 of the source begins at 1, not at 0');
    const between = await findings(
      referred,
      recut(([p, from, to]) => [p, p === 0 && from > 0 ? from + 1 : from, to]),
      topicAs('it was'),
    );
    expect(between).toContainEqual(expect.stringMatching(/^lost control: records \d+ to \d+ of partition 0 of the source are in no task$/));
    const ends = await topicAs('it was').end(0);
    const behind = await findings(
      referred,
      recut(([p, from, to]) => [p, from, p === 0 && to === ends ? to - 1 : to]),
      topicAs('it was'),
    );
    expect(behind).toContain(`lost control: 1 records of partition 0 of the topic, from offset ${ends - 1} on, are in no task`);
    const overlap = await findings(
      referred,
      recut(([p, from, to]) => [p, p === 0 && from > 0 ? from - 1 : from, to]),
      topicAs('it was'),
    );
    expect(overlap).toContainEqual(
      expect.stringMatching(/^duplicated control: records from \d+ on of partition 0 of the source are in two tasks$/),
    );
  });
});
