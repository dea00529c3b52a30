/** What nodes, step owners and the checkpointer wrote, read raw into facts. What one entry shows by itself is judged here, what takes several in audit-checks. */
import { MizuError } from '../contract/errors.ts';
import type { LogEntry } from '../contract/log.ts';
import { decodeDrop } from '../proof/effect.ts';
import { decodeFrame } from '../proof/frame.ts';
import { readConfluentFrame } from '../proof/framing.ts';
import { decodeLeaf } from '../proof/leaf.ts';
import { equalBytes, sha256, toHex } from '../proof/sha256.ts';
import { decodeLeaves } from '../runtime/leaf-batch.ts';
import { decodeStateEntry } from '../runtime/state-entry.ts';
import { PROOF_PARTITIONS } from '../runtime/topics.ts';
import { type AuditContext, decoded, keptEntries, keyText, partitionsOf, rawEntries, Wholes } from './audit-reader.ts';

const DIGEST_BYTES = 32;

export const OUTCOMES = ['verified', 'rejected', 'failed', 'duplicates'] as const;
const DROP_KIND = { rejected: 'rejected', failed: 'failed', duplicates: 'duplicate' } as const;

/** A part's key is that of the value, with `/part` behind it. */
function valueKey(entry: LogEntry): string {
  const key = keyText(entry);
  return entry.headers['part'] === undefined ? key : key.slice(0, Math.max(0, key.lastIndexOf('/')));
}

export async function readFrames(context: AuditContext): Promise<void> {
  const { topics, program, facts, findings } = context;
  for (const stage of program.stages) {
    if (stage.kind === 'source') continue;
    const topic = topics.frames(stage.index);
    for (let partition = 0; partition < stage.partitions; partition++) {
      const wholes = new Wholes(context, topic, partition);
      for await (const entry of keptEntries(context, topic, partition, ({ headers }) => Number(headers['k']))) {
        const { k, attempt, from } = entry.headers;
        const whole = wholes.take(`${k}/${attempt}/${from}`, entry);
        if (whole === undefined) continue;
        const frame = decoded(context, topic, partition, entry, () => decodeFrame(whole.value));
        if (frame === undefined) continue;
        const place = { topic, partition, offset: whole.offset };
        if (frame.k !== Number(k) || frame.from !== Number(from) || frame.to !== partition)
          findings.report(
            'misplaced',
            place,
            `it is the frame of task ${frame.k} from ${frame.from} to ${frame.to}, under the name of task ${k} from ${from}`,
          );
        const records = frame.candidates.length + frame.drops.length;
        facts.add('frame', stage.index, partition, frame.k, Number(attempt), frame.from, records, toHex(sha256(whole.value)), whole.offset);
      }
      wholes.end();
    }
  }
}

export async function readProofs(context: AuditContext): Promise<void> {
  const { facts, findings } = context;
  const topic = context.topics.proofs;
  for (let partition = 0; partition < PROOF_PARTITIONS; partition++) {
    const wholes = new Wholes(context, topic, partition);
    for await (const entry of rawEntries(context, topic, partition)) {
      const key = valueKey(entry);
      const whole = wholes.take(key, entry);
      if (whole === undefined) continue;
      const place = { topic, partition, offset: whole.offset };
      const [, stage, part, k, attempt] = (/^(\d+)\/(-1|\d+)\/(\d+)\/(\d+)$/.exec(key) ?? []).map(Number);
      if (stage === undefined || part === undefined || k === undefined || attempt === undefined) {
        findings.report('unreadable', place, `its key is '${key.slice(0, 80)}', expected stage/partition/k/attempt`);
        continue;
      }
      if (k % PROOF_PARTITIONS !== partition)
        findings.report('misplaced', place, `leaves of task ${k} belong into partition ${k % PROOF_PARTITIONS}`);
      const leaves = decoded(context, topic, partition, entry, () => decodeLeaves(whole.value).map(decodeLeaf));
      const strange = leaves?.find((leaf) => leaf.stage !== stage || leaf.partition !== part || leaf.k !== k);
      if (strange !== undefined)
        findings.report('misplaced', place, `under the key ${key} stands a leaf of ${strange.stage}/${strange.partition}/${strange.k}`);
      facts.add('leaf', stage, part, k, attempt, toHex(sha256(whole.value)), partition, whole.offset);
    }
    wholes.end();
  }
}

/** Deltas stand in order of k without a gap: state is their fold (P14). */
export async function readState(context: AuditContext): Promise<void> {
  const { topics, program, facts, findings } = context;
  for (const stage of program.stages) {
    if (stage.kind === 'source') continue;
    const topic = topics.state(stage.index);
    for (let partition = 0; partition < stage.partitions; partition++) {
      let last = -1;
      for await (const entry of keptEntries(context, topic, partition, ({ value }) => decodeStateEntry(value).k)) {
        const state = decoded(context, topic, partition, entry, () => decodeStateEntry(entry.value));
        if (state === undefined) continue;
        if (state.k < last)
          findings.report('misplaced', { topic, partition, offset: entry.offset }, `step ${state.k} stands after step ${last}`);
        last = Math.max(last, state.k);
        facts.add('state', stage.index, partition, state.k, entry.offset);
      }
    }
  }
}

/** Snapshots are in no leaf, but the digest at the end of each says whether it is whole. */
export async function readSnapshots(context: AuditContext): Promise<void> {
  const { topics, program, findings } = context;
  for (const stage of program.stages) {
    if (stage.kind === 'source') continue;
    const topic = topics.snapshots(stage.index);
    for (let partition = 0; partition < stage.partitions; partition++) {
      const wholes = new Wholes(context, topic, partition, true);
      for await (const entry of rawEntries(context, topic, partition)) {
        const whole = wholes.take(valueKey(entry), entry);
        if (whole === undefined) continue;
        const { value } = whole;
        if (value.length <= DIGEST_BYTES || !equalBytes(sha256(value.subarray(0, -DIGEST_BYTES)), value.subarray(-DIGEST_BYTES)))
          findings.report(
            'torn',
            { topic, partition, offset: whole.offset },
            'the digest at the end of the snapshot is not that of its bytes',
          );
      }
      wholes.end();
    }
  }
}

/** What plain consumers read: in order of task and candidate, each id once in each topic. */
export async function readOutcomes(context: AuditContext): Promise<void> {
  for (const [kind, name] of OUTCOMES.entries()) {
    const topic = context.topics[name];
    const partitions = context.program.stages.at(-1)?.partitions ?? 1;
    for (let partition = 0; partition < partitions; partition++) await new OutcomeReader(context, topic, partition, kind).read();
  }
}

class OutcomeReader {
  private readonly context: AuditContext;
  private readonly topic: string;
  private readonly partition: number;
  private readonly kind: number;
  private readonly stage: number;
  private lastK = -1;
  private lastI = -1;

  constructor(context: AuditContext, topic: string, partition: number, kind: number) {
    this.context = context;
    this.topic = topic;
    this.partition = partition;
    this.kind = kind;
    this.stage = context.program.stages.length - 1;
  }

  async read(): Promise<void> {
    const taskOf = (entry: LogEntry): number | undefined => this.idOf(entry)?.k;
    for await (const entry of keptEntries(this.context, this.topic, this.partition, taskOf)) this.take(entry);
  }

  private idOf(entry: LogEntry): { readonly k: number; readonly i: number } | undefined {
    const key = keyText(entry);
    const { title } = this.context;
    const match = key.startsWith(`${title}/`) ? /^(\d+)\.(\d+)$/.exec(key.slice(title.length + 1)) : null;
    return match === null ? undefined : { k: Number(match[1]), i: Number(match[2]) };
  }

  private take(entry: LogEntry): void {
    const { context, topic, partition } = this;
    const { findings, title } = context;
    const place = { topic, partition, offset: entry.offset };
    const id = this.idOf(entry);
    if (id === undefined) return findings.report('unreadable', place, `its key is '${keyText(entry).slice(0, 80)}', expected ${title}/k.i`);
    const { k, i } = id;
    const step = `${this.stage}/${partition}/${k}`;
    if (entry.headers['task'] !== step)
      findings.report('misplaced', place, `it says that it is of step ${entry.headers['task']}, in the place of ${step}`);
    // An equal one is a second one, which the facts tell.
    if (k < this.lastK || (k === this.lastK && i < this.lastI))
      findings.report('misplaced', place, `record ${k}.${i} stands after record ${this.lastK}.${this.lastI}`);
    if (k >= this.lastK) [this.lastK, this.lastI] = [k, i];
    decoded(context, topic, partition, entry, () => this.check(entry, i));
    context.facts.add('out', this.kind, partition, k, i, entry.offset);
  }

  /** @throws BYTES_INVALID. */
  private check(entry: LogEntry, i: number): void {
    const name = OUTCOMES[this.kind] ?? 'verified';
    if (name === 'verified') {
      readConfluentFrame(entry.value);
      return;
    }
    const drop = decodeDrop(entry.value);
    if (drop.kind === DROP_KIND[name] && drop.i === i) return;
    throw new MizuError(
      'BYTES_INVALID',
      `It holds the ${drop.kind} candidate ${drop.i}, under the key of candidate ${i} of the topic '${name}'`,
    );
  }
}

/** Topics whose keys hold one content each for ever: what is asked for, and what a reader of the tree takes. */
export async function readKeyed(context: AuditContext): Promise<void> {
  const { topics } = context;
  const own = (entry: LogEntry): string | undefined => keyText(entry) || undefined;
  await readKeys(context, topics.tiles, own);
  await readKeys(context, topics.attestations, ({ key }) => (key === undefined ? undefined : toHex(key)));
  // Settings may change; what a run computes may not.
  await readKeys(context, topics.program, (entry) => (keyText(entry) === 'deployment' ? undefined : own(entry)));
  // A checkpointer that takes over signs the same heads again.
  await readKeys(context, topics.checkpoints, ({ headers }) => `size ${headers['size']}`);
}

async function readKeys(context: AuditContext, topic: string, nameOf: (entry: LogEntry) => string | undefined): Promise<void> {
  const partitions = await partitionsOf(context, topic);
  for (let partition = 0; partition < partitions; partition++) {
    for await (const entry of rawEntries(context, topic, partition)) {
      const name = nameOf(entry);
      if (name !== undefined) context.facts.add('keyed', topic, partition, name, toHex(sha256(entry.value)), entry.offset);
    }
  }
}
