/**
 * Snapshots of what control says (P14), so that a role starts from one of them and the entries after it, however long the run is. Algebra: fold, keys and newest
 * mark follow from the entries below `position`; whoever reads on from there knows what a reader of all of control knows.
 *
 * A snapshot is signed like an entry of control. One that is torn, of another form or badly signed is passed over for an older one, at last for control itself: it
 * saves time, and nothing but the log's own entries is needed without it.
 */
import { z } from 'zod';
import { MizuError } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Append, Log, LogEntry } from '../contract/log.ts';
import type { Json } from '../contract/program.ts';
import { toJson } from '../compile/to-json.ts';
import type { Mark } from '../dispatch/control-entry.ts';
import { decodeControl, decodeEnvelope, encodeSigned, readEntry, verifySigned } from '../dispatch/signed-entry.ts';
import { ControlFold } from '../dispatch/control-fold.ts';
import { isControlBody } from '../dispatch/entry-shapes.ts';
import { foldFromJson, foldToJson } from '../dispatch/fold-snapshot.ts';
import { MemberKeys } from '../dispatch/member-keys.ts';
import { fromHex, utf8 } from '../proof/sha256.ts';
import { appendBytes } from './committer.ts';
import { keyOfValue, PartJoiner, partAppends } from './frame-parts.ts';
import { readAll } from './log-cursor.ts';
import type { RunContext } from './run-context.ts';
import type { RunTopics } from './topics.ts';

/** Entries of control between two snapshots, at least: 1,024 are read and folded in some 50 ms. */
const SNAPSHOT_ENTRIES = 1_024;
/** And at least so many for each task that a snapshot holds, so that snapshots of wide runs stay a small part of what is written. */
const SNAPSHOT_ENTRIES_PER_TASK = 8;
/** Snapshots stand under these keys in turn: compaction leaves the newest, and the one before it for when that is torn. */
const SLOTS = 2;
/** Snapshots that are tried in one search from the end. */
const TRIES = 2 * SLOTS;

/** Where snapshots are found. */
export interface SnapshotPlace {
  readonly control: string;
  readonly snapshots: string;
  /** NAME/GENERATION. */
  readonly title: string;
}

export function snapshotPlace({ control, controlSnapshots }: RunTopics, title: string): SnapshotPlace {
  return { control, snapshots: controlSnapshots, title };
}

export interface ControlState {
  readonly fold: ControlFold;
  readonly keys: MemberKeys;
  /** The newest mark. */
  readonly mark: Mark | undefined;
  /** Offset of control from which one reads on. */
  readonly position: Offset;
  /** Number of the snapshot, from 0; −1 for none. */
  readonly count: number;
}

const KEYS = z.strictObject({
  admitted: z.array(z.tuple([z.number().int().nonnegative(), z.array(z.string())])),
  trusted: z.array(z.string()),
});
const BODY = z.strictObject({
  type: z.literal('snapshot'),
  count: z.number().int().nonnegative(),
  position: z.number().int().nonnegative(),
  fold: z.json(),
  keys: KEYS,
  mark: z.json().nullable(),
});

/** Says when a snapshot is due, and makes it. Owned by the orchestrator. */
export class ControlSnapshots {
  private readonly context: Pick<RunContext, 'log' | 'topics' | 'title' | 'signer'>;
  private readonly entries: number;
  private count: number;
  /** Entries that stand in control and in no snapshot. */
  private since = 0;

  /** `last`: number of the newest snapshot, −1 for none. `entries`: between two snapshots, at least. */
  constructor(context: Pick<RunContext, 'log' | 'topics' | 'title' | 'signer'>, last: number, entries = SNAPSHOT_ENTRIES) {
    this.context = context;
    this.count = last + 1;
    this.entries = entries;
  }

  /** An entry of control was read or written. */
  note(): void {
    this.since++;
  }

  isDue(fold: ControlFold): boolean {
    return this.since >= Math.max(this.entries, SNAPSHOT_ENTRIES_PER_TASK * fold.tasks.size);
  }

  /** What is to be committed, once all that the state follows from is. Empty where a log takes no commit of that size: there, one reads control from its begin. */
  appends({ fold, keys, mark, position }: Omit<ControlState, 'count'>): Append[] {
    const { log, topics, title, signer } = this.context;
    const body = {
      type: 'snapshot',
      count: this.count,
      position,
      fold: foldToJson(fold),
      keys: toJson(keys.save()),
      mark: mark === undefined ? null : toJson(mark),
    };
    const value = encodeSigned('mizu-control-snapshot-v1', title, body, signer);
    const appends = partAppends(
      { topic: topics.controlSnapshots, partition: 0, key: utf8(`control-${this.count % SLOTS}`), value },
      log.limits,
    );
    this.count++;
    this.since = 0;
    return appendBytes(appends) <= log.limits.commitBytes ? appends : [];
  }
}

/** What the newest snapshot that holds says; the state before all entries where there is none. */
export async function newestControlState(log: Log, place: SnapshotPlace): Promise<ControlState> {
  const none: ControlState = { fold: new ControlFold(), keys: new MemberKeys(), mark: undefined, position: offset(0), count: -1 };
  const end = await endOf(log, place.snapshots);
  const key = end === 0 ? undefined : await runKey(log, place);
  if (key === undefined) return none;
  const controlEnd = await log.end(place.control, 0);
  const tried = new Set<number>();
  // Offsets have gaps, and a snapshot may have several parts: it is looked for from ever further back.
  for (let back = 4; ; back *= 4) {
    const from = Math.max(0, end - back);
    for (const { offset: at, value } of (await wholeSnapshots(log, place.snapshots, offset(from), tried)).toReversed()) {
      tried.add(at);
      const state = read(value, place.title, key);
      if (state !== undefined && state.position <= controlEnd) return state;
    }
    if (from === 0) return none;
  }
}

/** A run that an earlier version deployed has no such topic. */
async function endOf(log: Log, topic: string): Promise<number> {
  try {
    return await log.end(topic, 0);
  } catch (error) {
    if (error instanceof MizuError && error.code === 'NOT_FOUND') return 0;
    throw error;
  }
}

/** The run's key: that of the first entry of control, which says it and is signed with it. */
async function runKey(log: Log, { control, title }: SnapshotPlace): Promise<Uint8Array | undefined> {
  const { entries } = await log.read(control, 0, offset(0), { maxEntries: 1 });
  const [first] = entries;
  if (first === undefined) return undefined;
  const signed = readEntry(decodeControl, control, 0, first);
  if (signed.body.type !== 'open') return undefined;
  const key = fromHex(signed.body.key);
  return verifySigned('mizu-control-v1', title, signed, key) ? key : undefined;
}

interface Whole {
  readonly offset: number;
  readonly value: Uint8Array;
}

/** The last few from an offset on that were not tried, oldest first. Parts without their begin, or that compaction thinned out, make none. */
async function wholeSnapshots(log: Log, topic: string, from: Offset, tried: ReadonlySet<number>): Promise<Whole[]> {
  const joiner = new PartJoiner(topic);
  joiner.partial = true;
  const wholes: Whole[] = [];
  for await (const entry of readAll(log, topic, 0, from)) {
    const whole = join(joiner, entry);
    if (whole === undefined || tried.has(whole.offset)) continue;
    wholes.push(whole);
    if (wholes.length > TRIES) wholes.shift();
  }
  return wholes;
}

function join(joiner: PartJoiner, entry: LogEntry): Whole | undefined {
  try {
    return joiner.take(keyOfValue(entry), entry);
  } catch (error) {
    if (error instanceof MizuError && error.code === 'LOG_CORRUPT') return undefined;
    throw error;
  }
}

/** Undefined for what is no snapshot that the run's key signed. */
function read(value: Uint8Array, title: string, key: Uint8Array): ControlState | undefined {
  try {
    const { body: json, signature } = decodeEnvelope(value);
    const { success, data: body } = BODY.safeParse(json);
    if (!success || !verifySigned('mizu-control-snapshot-v1', title, { body, signature }, key)) return undefined;
    const { position, fold, keys, mark, count } = body;
    return { fold: foldFromJson(fold), keys: MemberKeys.load(keys), mark: markOf(mark), position: offset(position), count };
  } catch (error) {
    if (error instanceof MizuError) return undefined;
    throw error;
  }
}

function markOf(json: Json): Mark | undefined {
  if (json === null) return undefined;
  if (isControlBody(json) && json.type === 'mark') return json;
  throw new MizuError('BYTES_INVALID', 'A snapshot of control has a mark of no known shape');
}
