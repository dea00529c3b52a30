/**
 * Values of large commits, in files beside SQLite: it would write each page of them twice and read them page after page. A segment is a file to which one
 * handle appends, so processes never meet in one; a commit may begin in it at the next block of the disk. The row of an entry says where its value stands,
 * and is committed after the value is on disk: a crash leaves bytes that no row names, and never a row without its bytes. What a row names is never written
 * again.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '#engine';
import type { Database } from './database.ts';
import { SEGMENT_BYTES, WRITE_BUFFER_BYTES } from './limits.ts';
import { SegmentFile } from './segment-file.ts';
import { syncFolder } from './sidecar.ts';
import { translate } from './sqlite-error.ts';
import { addSegment, readSegments } from './tables.ts';
import { WriteBuffer } from './write-buffer.ts';

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

export class SegmentWriter {
  readonly #db: Database;
  readonly #directory: string;
  /** Made with the first segment. Without it, segments are written through the system's page cache. */
  #buffer: WriteBuffer | undefined;
  #file: SegmentFile | undefined;

  constructor(db: Database, directory: string) {
    this.#db = db;
    this.#directory = directory;
  }

  /** Resolves when the values are on disk. One call at a time. @throws DISK_FULL, FILE_UNWRITABLE, LOG_UNAVAILABLE: then none of them takes any room. */
  async append(values: readonly Uint8Array[]): Promise<Placement> {
    const file = await this.#current();
    let placement: Placement;
    const end = file.end;
    try {
      placement = await file.write(values);
    } catch (error) {
      await file.cutBack(end);
      throw translate(error, file.path);
    }
    try {
      await file.sync();
    } catch (error) {
      // Which of its pages are lost is not known, and a second try would not tell: nothing more goes there.
      await this.close();
      throw translate(error, file.path);
    }
    file.keep(placement);
    return placement;
  }

  /** Gives the room of the last values back, which no row will ever name. */
  async release(placement: Placement): Promise<void> {
    if (this.#file?.endsWith(placement) === true) await this.#file.cutBack(placement.position);
  }

  /** What it wrote last, as long as it is in memory. To be copied before anything is awaited. */
  written(placement: Placement): Uint8Array | undefined {
    return this.#buffer?.find(placement);
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #current(): Promise<SegmentFile> {
    if (this.#file !== undefined && this.#file.end >= SEGMENT_BYTES) await this.close();
    this.#file ??= await this.#make();
    return this.#file;
  }

  async #make(): Promise<SegmentFile> {
    const number = await this.#db.change(() => addSegment(this.#db));
    const path = segmentFile(this.#directory, number);
    this.#buffer ??= WriteBuffer.make(WRITE_BUFFER_BYTES);
    try {
      const folder = join(this.#directory, SEGMENTS_FOLDER);
      makeFolder(folder);
      const file = await SegmentFile.make(number, path, this.#buffer);
      syncFolder(folder);
      syncFolder(this.#directory);
      return file;
    } catch (error) {
      throw translate(error, path);
    }
  }
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
