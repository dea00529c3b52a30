/**
 * The first records of the topic that a program reads: for previews, and for a look before a run is deployed whether its values are what the
 * workflow says they are. Nothing is written and nothing of it enters a program.
 */
import type { Drop, ExternalTopic, OpenExternal, SourceAddress } from '#engine';
import { decodeFrame, encodeTopicRecord, globalStorage, MizuError, offset, TaskMachine, topicSource } from '#engine';
import type { CompiledFile } from './compile-file.ts';
import { registry } from './registry.ts';
import { temporaryStorage } from './temporary-storage.ts';

/** Records that a deploy looks at. */
const CHECKED_RECORDS = 100;
/** With fewer, a bad one proves nothing: it may be the one of thousands. */
const CHECKED_LEAST = 10;
/** Bytes that one read asks for: previews need little. */
const READ_BYTES = 256 * 1024;

/** At most `count` records from where a run would begin, partition after partition; of a run that begins at the end, the last ones. Empty for a program that reads no topic. */
export async function sampleTopic({ program, deployment }: CompiledFile, open: OpenExternal, count: number): Promise<Uint8Array[]> {
  const source = topicSource(program);
  if (source === undefined) return [];
  const address = deployment.sources?.[source.name];
  const topic = await open({ name: source.name, topic: address?.topic ?? source.name, url: address?.url });
  try {
    const records: Uint8Array[] = [];
    for (let partition = 0; partition < topic.partitions && records.length < count; partition++)
      await samplePartition(topic, partition, address?.from ?? 'earliest', count, records);
    return records;
  } finally {
    await topic.close();
  }
}

async function samplePartition(
  topic: ExternalTopic,
  partition: number,
  from: SourceAddress['from'],
  count: number,
  records: Uint8Array[],
): Promise<void> {
  const [start, end] = [await topic.start(partition), await topic.end(partition)];
  for (let at = from === 'latest' ? offset(Math.max(start, end - count)) : start; at < end && records.length < count; ) {
    const read = await topic.read(partition, at, { maxBytes: READ_BYTES, until: end });
    if (read.next <= at) return;
    for (const record of read.records) if (records.length < count) records.push(encodeTopicRecord(partition, record));
    at = read.next;
  }
}

/** Looks at the topic before anything is deployed. @throws INPUT_INVALID when none of its first records can be read as the workflow says; what opening it throws. */
export async function checkTopic(workflow: CompiledFile, open: OpenExternal): Promise<void> {
  const records = await sampleTopic(workflow, open, CHECKED_RECORDS);
  if (records.length < CHECKED_LEAST) return;
  const failed = await unreadable(workflow, records);
  if (failed.length < records.length) return;
  const codes = failed.map(({ code }) => code);
  const often = (code: string): number => codes.filter((other) => other === code).length;
  // The commonest failure is the one that the workflow is wrong about.
  const [typical] = [...failed].sort((a, b) => often(b.code) - often(a.code));
  const name = topicSource(workflow.program)?.name ?? '';
  throw new MizuError(
    'INPUT_INVALID',
    `None of the first ${records.length} records of the topic '${name}' can be read as the workflow says (${topicSource(workflow.program)?.format}). Most often: ${typical?.code}, ${typical?.message}`,
    {
      component: name,
      hint: 'Mend `format` and `fields`, or begin behind these records (sources: from: latest); `mizu preview` shows each of them.',
    },
  );
}

/** Drops of the reading step alone. */
async function unreadable({ program, digest, data }: CompiledFile, records: readonly Uint8Array[]): Promise<readonly Drop[]> {
  const [stage] = program.stages;
  const [op] = stage?.ops ?? [];
  if (stage === undefined || op === undefined) return [];
  const output = op.writes.filter((field) => !field.name.startsWith('$'));
  const reading = { ...stage, ops: [op], output, shuffle: { by: [], partitions: 1 } };
  const local = temporaryStorage();
  try {
    const machine = await TaskMachine.open(
      {
        program: { ...program, stages: [reading] },
        registry,
        storage: globalStorage([...data.values()]),
        local,
        expectedRecords: records.length,
      },
      digest,
    );
    const task = { k: 0, first: 0, count: records.length, poison: [], records, ranges: [] };
    const { frames } = await machine.execute(task, () => Promise.resolve([]));
    return frames.flatMap((frame) => decodeFrame(frame).drops);
  } finally {
    await local.close();
  }
}
