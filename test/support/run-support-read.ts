/** What a run left on its log, read entry by entry without the engine's own readers, as a consumer of the topics would. */
import type { DeployedRun, Drop, Log, LogEntry, Row, Schema } from '#engine';
import { ByteReader, readConfluentFrame, readRun, RunTopics, schemaBefore, valueCodec } from '#engine';
import type { ControlBody } from '../../engine/dispatch/control-entry.ts';
import { decodeControl } from '../../engine/dispatch/signed-entry.ts';
import { decodeDrop } from '../../engine/proof/effect.ts';
import { decodeLeaf, type Leaf } from '../../engine/proof/leaf.ts';
import { decodeLeaves } from '../../engine/runtime/leaf-batch.ts';
import { readAll, text } from './log-tools.ts';
import { sha256Hex } from './run-support.ts';

export interface RunRead {
  readonly run: DeployedRun;
  /** In canonical order. */
  readonly published: readonly { readonly id: string; readonly row: Row }[];
  readonly drops: readonly (Drop & { readonly id: string; readonly before: Row })[];
  /** Of the attempts that count, in canonical order. */
  readonly leaves: readonly { readonly leaf: Leaf; readonly bytes: Uint8Array }[];
  /** Topic and partition → SHA-256 of its keys and values, for what plain consumers read. */
  readonly bytes: Readonly<Record<string, string>>;
  /** Topic and partition → ids in the order in which they stand there. */
  readonly order: Readonly<Record<string, readonly string[]>>;
  readonly control: readonly ControlBody[];
}

interface Entry {
  readonly id: string;
  readonly entry: LogEntry;
}

function decodeRow(schema: Schema, bytes: Uint8Array): Row {
  const reader = new ByteReader(bytes);
  const row = Object.fromEntries(schema.map((field) => [field.name, valueCodec(field.type).decode(reader)]));
  if (!reader.done) throw new RangeError('a record has bytes left over');
  return row;
}

export function compareIds(a: string, b: string): number {
  const [ak = 0, ai = 0] = a.split('.').map(Number);
  const [bk = 0, bi = 0] = b.split('.').map(Number);
  return ak - bk || ai - bi;
}

export async function readOutcome(log: Log, name = 'w', generation?: number): Promise<RunRead> {
  const run = await readRun(log, name, generation);
  const topics = new RunTopics(run.run);
  const partitions = run.program.stages.at(-1)?.partitions ?? 1;
  const title = `${run.run.name}/${run.run.generation}/`;
  const bytes: Record<string, string> = {};
  const order: Record<string, readonly string[]> = {};
  const entriesOf = async (topic: string): Promise<Entry[]> => {
    const all: Entry[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      const entries = (await readAll(log, topic, partition)).map((entry) => ({ id: text(entry.key).slice(title.length), entry }));
      bytes[`${topic}/${partition}`] = sha256Hex(...entries.flatMap(({ id, entry }) => [id, ':', entry.value]));
      order[`${topic}/${partition}`] = entries.map(({ id }) => id);
      all.push(...entries);
    }
    return all.sort((a, b) => compareIds(a.id, b.id));
  };
  const published = (await entriesOf(topics.verified)).map(({ id, entry }) => ({
    id,
    row: decodeRow(run.program.published, readConfluentFrame(entry.value).body),
  }));
  const dropped: Entry[] = [];
  for (const topic of [topics.rejected, topics.failed, topics.duplicates]) dropped.push(...(await entriesOf(topic)));
  const drops = dropped.map(({ id, entry }) => {
    const drop = decodeDrop(entry.value);
    return { ...drop, id, before: decodeRow(schemaBefore(run.program, drop.stage, drop.op), drop.record) };
  });
  drops.sort((a, b) => compareIds(a.id, b.id));
  const control = (await readAll(log, topics.control, 0)).map((entry) => decodeControl(entry.value).body);
  return { run, published, drops, leaves: await readLeaves(log, topics, control), bytes, order, control };
}

async function readLeaves(log: Log, topics: RunTopics, control: readonly ControlBody[]): Promise<{ leaf: Leaf; bytes: Uint8Array }[]> {
  const accepted = new Map<number, number>();
  for (const body of control) if (body.type === 'accept' && !accepted.has(body.k)) accepted.set(body.k, body.attempt);
  const finish = control.find((body) => body.type === 'finish');
  const last = finish?.type === 'finish' ? finish.last : -1;
  const leaves: { leaf: Leaf; bytes: Uint8Array }[] = [];
  for (const { name: topic, partitions } of await log.topics(topics.proofs)) {
    for (let partition = 0; partition < partitions; partition++) {
      const entries = await readAll(log, topic, partition);
      const keys = new Set(entries.map(({ key }) => text(key)));
      // Law 12: a key of the proof topic is used once, so no attempt is executed twice.
      if (keys.size !== entries.length) throw new RangeError(`${topic}/${partition} has ${entries.length} proofs under ${keys.size} keys`);
      for (const { key, value } of entries) {
        const [stage, , k, attempt] = text(key).split('/').map(Number);
        if (k === undefined || k > last || (stage === 0 && attempt !== accepted.get(k))) continue;
        for (const bytes of decodeLeaves(value)) leaves.push({ leaf: decodeLeaf(bytes), bytes });
      }
    }
  }
  const rank = ({ leaf }: { leaf: Leaf }): readonly number[] => [leaf.k, leaf.stage, leaf.partition, leaf.block, leaf.op];
  return leaves.sort((a, b) => rank(a).reduce((order, n, at) => order || n - (rank(b)[at] ?? 0), 0));
}

/** RFC 6962, section 2.1, as it is written there. */
export function plainRoot(entries: readonly Uint8Array[]): Buffer {
  const hex = (n: number, ...parts: readonly Uint8Array[]): Buffer => Buffer.from(sha256Hex(Uint8Array.of(n), ...parts), 'hex');
  if (entries.length === 0) return Buffer.from(sha256Hex(), 'hex');
  const [only] = entries;
  if (entries.length === 1 && only !== undefined) return hex(0, only);
  let split = 1;
  while (split * 2 < entries.length) split *= 2;
  return hex(1, plainRoot(entries.slice(0, split)), plainRoot(entries.slice(split)));
}
