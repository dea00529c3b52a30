/**
 * Values of large commits, in files beside SQLite: it would write each page of them twice and read them page after page. A segment is a file to which one
 * handle appends, so processes never meet in one. The row of an entry says where its value stands, and is committed after the value is on disk: a crash
 * leaves bytes that no row names, and never a row without its bytes. What a row names is never written again.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { MizuError, makeFolder } from '#engine';
import type { Database } from './database.ts';
import { SEGMENT_BYTES } from './limits.ts';
import { syncFolder } from './sidecar.ts';
import { corrupt, translate } from './sqlite-error.ts';
import { addSegment, readSegments } from './tables.ts';

export const SEGMENTS_FOLDER = 'segments';

/** Where values stand, one after the other without a gap. */
export interface Placement {
  readonly segment: number;
  readonly position: number;
  readonly bytes: number;
}

export function segmentFile(directory: string, segment: number): string {
  return join(directory, SEGMENTS_FOLDER, `${String(segment).padStart(8, '0')}.seg`);
}

interface OpenSegment {
  readonly number: number;
  readonly path: string;
  readonly handle: FileHandle;
  /** Bytes that are on disk and belong to somebody. */
  end: number;
}

export class SegmentWriter {
  readonly #db: Database;
  readonly #directory: string;
  #segment: OpenSegment | undefined;

  constructor(db: Database, directory: string) {
    this.#db = db;
    this.#directory = directory;
  }

  /** Resolves when the values are on disk. One call at a time. @throws DISK_FULL, FILE_UNWRITABLE, LOG_UNAVAILABLE: then none of them takes any room. */
  async append(values: readonly Uint8Array[]): Promise<Placement> {
    const segment = await this.#current();
    const { handle, path, number, end: position } = segment;
    try {
      await writeAll(handle, values, position);
    } catch (error) {
      await cutBack(segment);
      throw translate(error, path);
    }
    try {
      await handle.datasync();
    } catch (error) {
      // Which of its pages are lost is not known, and a second try would not tell: nothing more goes there.
      await this.close();
      throw translate(error, path);
    }
    const bytes = values.reduce((sum, value) => sum + value.length, 0);
    segment.end += bytes;
    return { segment: number, position, bytes };
  }

  /** Gives the room of the last values back, which no row will ever name. */
  async release({ segment, position, bytes }: Placement): Promise<void> {
    const current = this.#segment;
    if (current?.number !== segment || current.end !== position + bytes) return;
    current.end = position;
    await cutBack(current);
  }

  async close(): Promise<void> {
    const segment = this.#segment;
    this.#segment = undefined;
    await segment?.handle.close().catch(() => undefined);
  }

  async #current(): Promise<OpenSegment> {
    if (this.#segment !== undefined && this.#segment.end >= SEGMENT_BYTES) await this.close();
    this.#segment ??= await this.#make();
    return this.#segment;
  }

  async #make(): Promise<OpenSegment> {
    const number = await this.#db.change(() => addSegment(this.#db));
    const path = segmentFile(this.#directory, number);
    try {
      const folder = join(this.#directory, SEGMENTS_FOLDER);
      makeFolder(folder);
      const handle = await open(path, 'wx');
      syncFolder(folder);
      syncFolder(this.#directory);
      return { number, path, handle, end: 0 };
    } catch (error) {
      throw translate(error, path);
    }
  }
}

/** Bytes that were given up may stay where the disk refuses even this: no row names them. */
async function cutBack({ handle, end }: OpenSegment): Promise<void> {
  await handle.truncate(end).catch(() => undefined);
}

/** A full disk shows as a short write first, so what is left is written until the system says why it can't. */
async function writeAll(handle: FileHandle, values: readonly Uint8Array[], position: number): Promise<void> {
  let rest: readonly Uint8Array[] = values.filter((value) => value.length > 0);
  let at = position;
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev([...rest], at);
    at += bytesWritten;
    rest = behind(rest, bytesWritten);
  }
}

function behind(values: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let left = bytes;
  let n = 0;
  for (; n < values.length; n++) {
    const length = values[n]?.length ?? 0;
    if (left < length) break;
    left -= length;
  }
  const [first, ...others] = values.slice(n);
  return first === undefined ? [] : [first.subarray(left), ...others];
}

/** What is wrong with the files of segments, without reading them. */
export function segmentProblems(db: Database, directory: string): { readonly file: string; readonly what: string }[] {
  return readSegments(db).flatMap(({ segment, bytes }) => {
    const file = segmentFile(directory, segment);
    const held = statSync(file, { throwIfNoEntry: false })?.size;
    // One is counted before it is made.
    if (held === undefined) return bytes === 0 ? [] : [{ file, what: 'it is gone' }];
    return held < bytes ? [{ file, what: `it was cut: ${held} bytes are left of ${bytes}` }] : [];
  });
}

export class SegmentReader {
  readonly #directory: string;
  readonly #files = new Map<number, number>();
  #closed = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  pathOf({ segment }: Placement): string {
    return segmentFile(this.#directory, segment);
  }

  /** A buffer of its own. @throws LOG_CORRUPT when the segment is gone or ends before. */
  read(placement: Placement): Uint8Array {
    const { segment, position, bytes } = placement;
    const path = this.pathOf(placement);
    const out = Buffer.allocUnsafeSlow(bytes);
    let filled = 0;
    try {
      const file = this.#open(segment, path);
      while (filled < bytes) {
        const read = readSync(file, out, filled, bytes - filled, position + filled);
        if (read === 0) break;
        filled += read;
      }
    } catch (error) {
      throw translate(error, path);
    }
    if (filled < bytes) throw corrupt(path, `it ends before byte ${position + bytes}, where a value ends that a row of the database names`);
    return out;
  }

  close(): void {
    this.#closed = true;
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
  }

  #open(segment: number, path: string): number {
    if (this.#closed)
      throw new MizuError('LOG_UNAVAILABLE', `The log that ${path} belongs to was closed in this process`, { component: path });
    let file = this.#files.get(segment);
    if (file === undefined) {
      try {
        file = openSync(path, 'r');
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
          throw corrupt(path, 'it is gone, although a row of the database names it');
        throw error;
      }
      this.#files.set(segment, file);
    }
    return file;
  }
}
