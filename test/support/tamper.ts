/**
 * Changes entries of an embedded log behind its back, each with a valid check sum of the storage, as somebody with write access to the
 * file would: so it is the proofs, and not the storage, that must find it.
 */
import { closeSync, cpSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  type DeployedRun,
  formatCheckpoint,
  type Log,
  parseCheckpoint,
  parseNote,
  readRun,
  type Signer,
  sha256,
  signNote,
  toHex,
  utf8,
} from '#engine';
import { openLog } from '#topologies';
import { entryChecksum, rowChecksum } from '../../connectors/embedded/checksum.ts';
import { PARTITION_LIMIT_ENTRIES } from '../../connectors/embedded/limits.ts';
import { unpackEntries } from '../../connectors/embedded/packed.ts';
import { type Placement, segmentFile } from '../../connectors/embedded/segments.ts';
import type { ControlBody } from '../../engine/dispatch/control-entry.ts';
import { decodeControl, decodeResult, encodeSigned } from '../../engine/dispatch/signed-entry.ts';
import { quickFolder } from './run-support.ts';

export interface StoredEntry {
  readonly key: Uint8Array | undefined;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Place {
  readonly topic: string;
  readonly partition: number;
}

interface TopicRow {
  readonly name: string;
  readonly partitions: number;
  readonly slot: number;
}

export class Tamper {
  private readonly db: DatabaseSync;
  private readonly directory: string;
  private readonly topics: ReadonlyMap<string, TopicRow>;

  constructor(directory: string) {
    this.db = new DatabaseSync(join(directory, 'log.db'));
    this.directory = directory;
    this.db.exec('PRAGMA synchronous = OFF');
    const rows = this.db.prepare('SELECT name, partitions, slot FROM topics').all();
    const topics = rows.map((row) => ({ name: String(row['name']), partitions: Number(row['partitions']), slot: Number(row['slot']) }));
    this.topics = new Map(topics.map((row) => [row.name, row]));
  }

  close(): void {
    this.db.close();
  }

  /** Partitions that hold entries. */
  places(): Place[] {
    const all = [...this.topics.values()].flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition })),
    );
    return all.filter((place) => this.read(place).length > 0);
  }

  read(place: Place): StoredEntry[] {
    const first = this.first(place);
    const rows = this.db.prepare(
      'SELECT count, key, value, segment, position, length, headers FROM entries WHERE id >= ? AND id < ? ORDER BY id',
    );
    return rows.all(first, first + PARTITION_LIMIT_ENTRIES).flatMap((row) => {
      const value = row['value'] === null ? this.valueAt(placeOf(row)) : Uint8Array.from(row['value'] as Uint8Array);
      const key = row['key'] === null ? undefined : Uint8Array.from(row['key'] as Uint8Array);
      const count = Number(row['count']);
      const held = count === 1 ? [{ key, value, headers: String(row['headers']) }] : (unpackEntries(value, count) ?? []);
      return held.map(({ headers, ...entry }) => ({
        ...entry,
        headers: headers === '' ? {} : (JSON.parse(headers) as Record<string, string>),
      }));
    });
  }

  private valueAt({ segment, position, bytes }: Placement): Uint8Array {
    const file = openSync(segmentFile(this.directory, segment), 'r');
    const value = new Uint8Array(bytes);
    readSync(file, value, 0, bytes, position);
    closeSync(file);
    return value;
  }

  /** Which entry is the frame of task k from upstream partition 0, by its headers: frames stand in the order in which they came. */
  frameOf(place: Place, k: number): number {
    return this.read(place).findIndex(({ headers }) => headers['k'] === String(k) && headers['from'] === '0');
  }

  /** Puts these entries in place of all that a partition held. */
  write(place: Place, entries: readonly StoredEntry[]): void {
    const first = this.first(place);
    const { topic, partition } = place;
    this.db.prepare('DELETE FROM entries WHERE id >= ? AND id < ?').run(first, first + PARTITION_LIMIT_ENTRIES);
    const insert = this.db.prepare('INSERT INTO entries (id, count, crc, headers, key, value) VALUES (?, 1, ?, ?, ?, ?)');
    entries.forEach(({ key, value, headers }, at) => {
      const text = Object.keys(headers).length === 0 ? '' : JSON.stringify(headers);
      insert.run(first + at, entryChecksum(topic, partition, at, key, value, text), text, key ?? null, value);
    });
    const slot = first / PARTITION_LIMIT_ENTRIES;
    this.db
      .prepare('UPDATE heads SET head = ?, crc = ? WHERE slot = ?')
      .run(entries.length, rowChecksum('head', slot, entries.length), slot);
  }

  /** Puts another list of entries in place of a partition's. */
  change(place: Place, edit: (entries: StoredEntry[]) => StoredEntry[]): void {
    this.write(place, edit(this.read(place)));
  }

  /** Changes one entry. */
  edit(place: Place, at: number, change: (entry: StoredEntry) => Partial<StoredEntry>): void {
    this.change(place, (entries) => entries.map((entry, n) => (n === at ? { ...entry, ...change(entry) } : entry)));
  }

  /** Flips bits of one byte of a value; a negative place counts from the end. */
  flip(place: Place, at: number, byte: number, bits = 1): void {
    this.edit(place, at, ({ value }) => ({ value: flipped(value, byte < 0 ? value.length + byte : byte, bits) }));
  }

  /** Deletes a row without a trace in the head: what a damaged file looks like. */
  drop(place: Place, at: number): void {
    const first = this.first(place);
    const packed = this.db
      .prepare('SELECT 1 FROM entries WHERE count > 1 AND id >= ? AND id < ?')
      .get(first, first + PARTITION_LIMIT_ENTRIES);
    // A row of its own for each.
    if (packed !== undefined) this.change(place, (entries) => entries);
    this.db.prepare('DELETE FROM entries WHERE id = ?').run(first + at);
  }

  private first({ topic, partition }: Place): number {
    const row = this.topics.get(topic);
    if (row === undefined || partition >= row.partitions) throw new RangeError(`no ${topic}/${partition}`);
    return (row.slot + partition) * PARTITION_LIMIT_ENTRIES;
  }
}

const placeOf = (row: Record<string, unknown>): Placement => ({
  segment: Number(row['segment']),
  position: Number(row['position']),
  bytes: Number(row['length']),
});

export function flipped(bytes: Uint8Array, at: number, bits = 1): Uint8Array {
  const out = Uint8Array.from(bytes);
  const before = out[at];
  if (before === undefined) throw new RangeError(`no byte ${at} of ${bytes.length}`);
  out[at] = before ^ bits;
  return out;
}

/** Makes a copy of a log, changes it, and gives it to `use`, opened read-only. */
export async function withTampered<T>(
  directory: string,
  change: (tamper: Tamper) => void | Promise<void>,
  use: (log: Log, run: () => Promise<DeployedRun>) => Promise<T>,
  name = 'w',
): Promise<T> {
  const copy = quickFolder();
  try {
    cpSync(directory, copy, { recursive: true });
    const tamper = new Tamper(copy);
    try {
      await change(tamper);
    } finally {
      tamper.close();
    }
    const log = await openLog(copy, { readOnly: true });
    try {
      return await use(log, () => readRun(log, name));
    } finally {
      await log.close();
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

export const CONTROL: Place = { topic: 'w.1.control', partition: 0 };
export const CHECKPOINTS: Place = { topic: 'w.1.checkpoints', partition: 0 };

/** What becomes of one control entry: none, one or several. */
export type ControlEdit = (body: ControlBody) => readonly ControlBody[];

/** Signs every entry of the control log again, after `edit`. */
export function resignControl(tamper: Tamper, signer: Signer, edit: ControlEdit = (body) => [body]): void {
  tamper.change(CONTROL, (entries) =>
    entries.flatMap((entry) =>
      edit(decodeControl(entry.value).body).map((body) => ({ ...entry, value: encodeSigned('mizu-control-v1', 'w/1', body, signer) })),
    ),
  );
}

/** Signs every result again, and control accordingly: what somebody would do who wants to have made the run himself. */
export function resignAll(tamper: Tamper, signer: Signer): void {
  const accepted = new Map<string, string>();
  for (const place of tamper.places().filter(({ topic }) => topic === 'w.1.results')) {
    tamper.change(place, (entries) =>
      entries.map((entry) => {
        const { body } = decodeResult(entry.value);
        const value = encodeSigned('mizu-result-v1', 'w/1', body, signer);
        if (body.type === 'task') accepted.set(`${body.k}/${body.attempt}`, toHex(sha256(value)));
        return { ...entry, value };
      }),
    );
  }
  resignControl(tamper, signer, (body) => {
    if (body.type === 'open' || body.type === 'admit') return [{ ...body, key: toHex(signer.publicKey) }];
    return [body.type === 'accept' ? { ...body, result: accepted.get(`${body.k}/${body.attempt}`) ?? body.result } : body];
  });
  tamper.change(CHECKPOINTS, (entries) => entries.map((entry) => ({ ...entry, value: signedAs(entry.value, signer) })));
}

/** A checkpoint under another signature and, if one is given, of another origin. */
export function signedAs(note: Uint8Array, signer: Signer, origin?: string): Uint8Array {
  const { text } = parseNote(note);
  const checkpoint = parseCheckpoint(text);
  const named = origin ?? checkpoint.origin;
  return utf8(signNote(formatCheckpoint({ ...checkpoint, origin: named }), [{ name: named, signer }]));
}
