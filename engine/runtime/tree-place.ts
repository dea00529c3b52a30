/**
 * Where a checkpointer goes on (P14): each signed head says, in the header `place`, from which offsets of control and proofs the tasks after it are found, and where
 * on the tiles topic its right edge stands. So a successor reads one checkpoint, a few tiles, and what is new. The place is signed like an entry of control, bound to the
 * head, and its tiles must make the head's root; one that does not hold is passed over, and the tree is made from all its leaves.
 */
import { z } from 'zod';
import { MizuError } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { LogEntry } from '../contract/log.ts';
import { decodeEnvelope, encodeSigned, verifySigned } from '../dispatch/signed-entry.ts';
import { openCheckpoint } from '../proof/checkpoint.ts';
import { noteKey } from '../proof/note.ts';
import { equalBytes, fromUtf8, toHex, utf8 } from '../proof/sha256.ts';
import type { TreeEdge } from '../proof/tree-edge.ts';
import { openEdge } from '../proof/tree-edge.ts';
import { lastEntry } from './last-entry.ts';
import { LogCursor } from './log-cursor.ts';
import type { RunContext } from './run-context.ts';

/** Header of a checkpoint. */
export const PLACE_HEADER = 'place';
/** Entries read in search of one tile: more than one commit of a checkpointer holds, after compaction has moved nothing but gaps. */
const TILE_SEARCH_ENTRIES = 4_096;
/** Entries that one read of the tiles topic brings. */
const TILE_READ_ENTRIES = 16;

export interface SignedHead {
  readonly size: number;
  readonly root: Uint8Array;
}

export interface TreePlace {
  /** Tasks in the tree. */
  readonly tasks: number;
  /** Offset of control from which the `accept` entries of all later tasks are found. */
  readonly control: Offset;
  /** The same for their leaves, by partition of the proofs. */
  readonly proofs: readonly Offset[];
  /** By path of the partial files of the head: an offset of the tiles from which it is found. */
  readonly files: readonly (readonly [string, Offset])[];
}

const whole = z.number().int().nonnegative();
const PLACE = z.strictObject({
  type: z.literal('tree-place'),
  size: whole,
  root: z.string(),
  tasks: whole,
  control: whole,
  proofs: z.array(whole),
  files: z.array(z.tuple([z.string(), whole])),
});

export function encodePlace(context: RunContext, head: SignedHead, place: TreePlace): string {
  const { tasks, control } = place;
  const files = place.files.map(([path, from]): [string, number] => [path, from]);
  const body = { type: 'tree-place', size: head.size, root: toHex(head.root), tasks, control, proofs: [...place.proofs], files };
  return fromUtf8(encodeSigned('mizu-tree-place-v1', context.title, body, context.signer));
}

export interface TreeStart {
  /** The newest head, if one is signed. */
  readonly head: SignedHead | undefined;
  /** What to go on from; undefined: the tree is made from its first leaf. */
  readonly resumed: { readonly place: TreePlace; readonly edge: TreeEdge } | undefined;
}

/** Reads back how far the tree came. `origin`: of its checkpoints. */
export async function findTreeStart(context: RunContext, origin: string): Promise<TreeStart> {
  const entry = await lastEntry(context.log, context.topics.checkpoints, 0);
  const head = entry === undefined ? undefined : headOf(context.signer.publicKey, origin, entry);
  const place = entry === undefined || head === undefined ? undefined : placeOf(context.title, context.signer.publicKey, head, entry);
  if (head === undefined || place === undefined) return { head, resumed: undefined };
  const found = await readFiles(context, place);
  const edge = passOver(() => openEdge(head.size, new Map(found.map(({ path, entry: { value } }) => [path, value]))));
  if (edge === undefined || !equalBytes(edge.tree.root(), head.root)) return { head, resumed: undefined };
  const files = found.map(({ path, entry: { offset: at } }) => [path, at] as const);
  return { head, resumed: { place: { ...place, files }, edge } };
}

/** Undefined for what the run's key did not sign: it says nothing of the run. */
function headOf(publicKey: Uint8Array, origin: string, entry: LogEntry): SignedHead | undefined {
  return passOver(() => {
    const { size, root } = openCheckpoint(entry.value, { key: noteKey(origin, publicKey), origin });
    return { size: Number(size), root };
  });
}

/** A head and the tasks in its tree, as the run's key signed them both. */
export interface PlacedHead extends SignedHead {
  readonly place: TreePlace;
}

/** What one entry of the checkpoints says; undefined where the key signed no such head, or not its place. `title`: NAME/GENERATION. */
export function readHead(
  entry: LogEntry,
  run: { readonly title: string; readonly origin: string },
  publicKey: Uint8Array,
): PlacedHead | undefined {
  const head = headOf(publicKey, run.origin, entry);
  const place = head === undefined ? undefined : placeOf(run.title, publicKey, head, entry);
  return head === undefined || place === undefined ? undefined : { ...head, place };
}

function placeOf(title: string, publicKey: Uint8Array, head: SignedHead, entry: LogEntry): TreePlace | undefined {
  return passOver(() => {
    const { body: json, signature } = decodeEnvelope(utf8(entry.headers[PLACE_HEADER] ?? ''));
    const { success, data: body } = PLACE.safeParse(json);
    if (!success || !verifySigned('mizu-tree-place-v1', title, { body, signature }, publicKey)) return undefined;
    if (body.size !== head.size || body.root !== toHex(head.root)) return undefined;
    const files = body.files.map(([path, from]) => [path, offset(from)] as const);
    return { tasks: body.tasks, control: offset(body.control), proofs: body.proofs.map(offset), files };
  });
}

/** The files of the place that are found, each with its newest entry's place. */
async function readFiles(
  { log, topics }: RunContext,
  { files }: TreePlace,
): Promise<{ readonly path: string; readonly entry: LogEntry }[]> {
  const found: { readonly path: string; readonly entry: LogEntry }[] = [];
  for (const [path, from] of files) {
    const cursor = new LogCursor(log, topics.tiles, 0, from, { maxEntries: TILE_READ_ENTRIES });
    for (let n = 0; n < TILE_SEARCH_ENTRIES; n++) {
      const entry = await cursor.take();
      if (entry === undefined) break;
      if (fromUtf8(entry.key ?? new Uint8Array(0)) !== path) continue;
      found.push({ path, entry });
      break;
    }
  }
  return found;
}

/** What does not hold is passed over: it saves time, nothing else. */
function passOver<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof MizuError) return undefined;
    throw error;
  }
}
