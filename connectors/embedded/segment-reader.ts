/**
 * Reads values from segments. A process that writes the log reads past the system's page cache, too: its values are not in there, and each is read about once.
 * One that only reads has the cache, which reads ahead.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { MizuError } from '#engine';
import { alignedMemory, blockEnd, blockStart, O_DIRECT } from './aligned.ts';
import { DIRECT_BLOCK_BYTES, READ_BUFFERS, SEGMENT_READ_BYTES } from './limits.ts';
import { type Placement, type SegmentWriter, segmentFile } from './segments.ts';
import { corrupt, translate } from './sqlite-error.ts';

/** Room for the largest value that is read at once, wherever in a block it begins and ends. */
const BUFFER_BYTES = SEGMENT_READ_BYTES + 2 * DIRECT_BLOCK_BYTES;

interface OpenFile {
  readonly handle: FileHandle;
  /** If it is read past the cache. */
  readonly buffers: ReadBuffers | undefined;
}

export class SegmentReader {
  readonly #directory: string;
  /** Asked first. None in a process that only reads. */
  readonly #writer: SegmentWriter | undefined;
  readonly #files = new Map<number, Promise<OpenFile>>();
  readonly #reading = new Set<Promise<unknown>>();
  /** Made with the first file that is read past the cache. */
  #buffers: ReadBuffers | undefined;
  #closed = false;

  constructor(directory: string, writer: SegmentWriter | undefined) {
    this.#directory = directory;
    this.#writer = writer;
  }

  pathOf({ segment }: Placement): string {
    return segmentFile(this.#directory, segment);
  }

  /** A buffer of its own. @throws LOG_CORRUPT when the segment is gone or ends before. */
  async read(placement: Placement): Promise<Uint8Array> {
    const path = this.pathOf(placement);
    if (this.#closed)
      throw new MizuError('LOG_UNAVAILABLE', `The log that ${path} belongs to was closed in this process`, { component: path });
    const out = Buffer.allocUnsafeSlow(placement.bytes);
    const written = this.#writer?.written(placement);
    if (written !== undefined) {
      out.set(written);
      return out;
    }
    const reading = this.#fill(out, placement, path);
    this.#reading.add(reading);
    try {
      if (await reading) return out;
    } catch (error) {
      throw translate(error, path);
    } finally {
      this.#reading.delete(reading);
    }
    throw corrupt(path, `it ends before byte ${placement.position + placement.bytes}, where a value ends that a row of the database names`);
  }

  /** Resolves when nothing is read any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#reading);
    for (const file of this.#files.values()) await file.then(({ handle }) => handle.close()).catch(() => undefined);
    this.#files.clear();
  }

  /** @returns whether the file has all of it. */
  async #fill(out: Uint8Array, { segment, position }: Placement, path: string): Promise<boolean> {
    const { handle, buffers } = await this.#open(segment, path);
    return buffers === undefined ? fillFromCache(out, handle, position) : buffers.fill(out, handle, position);
  }

  #open(segment: number, path: string): Promise<OpenFile> {
    let file = this.#files.get(segment);
    if (file === undefined) {
      file = this.#openFile(path);
      this.#files.set(segment, file);
      file.catch(() => this.#files.delete(segment));
    }
    return file;
  }

  async #openFile(path: string): Promise<OpenFile> {
    const direct = this.#writer === undefined ? undefined : await this.#openDirectly(path);
    if (direct !== undefined) return direct;
    try {
      return { handle: await open(path, 'r'), buffers: undefined };
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
        throw corrupt(path, 'it is gone, although a row of the database names it');
      throw error;
    }
  }

  async #openDirectly(path: string): Promise<OpenFile | undefined> {
    if (O_DIRECT === undefined) return undefined;
    this.#buffers ??= ReadBuffers.make();
    if (this.#buffers === undefined) return undefined;
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, constants.O_RDONLY | O_DIRECT);
      // Where blocks of the disk are larger than ours, the first read says so.
      await this.#buffers.fill(new Uint8Array(1), handle, 0);
      return { handle, buffers: this.#buffers };
    } catch {
      // Not offered for this file, or it can't be read at all, as the next try says.
      await handle?.close().catch(() => undefined);
      return undefined;
    }
  }
}

async function fillFromCache(out: Uint8Array, handle: FileHandle, position: number): Promise<boolean> {
  for (let filled = 0; filled < out.length; ) {
    const { bytesRead } = await handle.read(out, filled, out.length - filled, position + filled);
    if (bytesRead === 0) return false;
    filled += bytesRead;
  }
  return true;
}

/** Aligned memory that values are read into, one of them by each read at a time. */
class ReadBuffers {
  readonly #free: Uint8Array[];
  readonly #waiting: ((buffer: Uint8Array) => void)[] = [];

  private constructor(memory: Uint8Array) {
    this.#free = Array.from({ length: READ_BUFFERS }, (_, n) => memory.subarray(n * BUFFER_BYTES, (n + 1) * BUFFER_BYTES));
  }

  /** None where there is no memory for them. */
  static make(): ReadBuffers | undefined {
    const memory = alignedMemory(READ_BUFFERS * BUFFER_BYTES);
    return memory === undefined ? undefined : new ReadBuffers(memory);
  }

  /** @returns whether the file has all of it. */
  async fill(out: Uint8Array, handle: FileHandle, position: number): Promise<boolean> {
    const buffer = this.#free.pop() ?? (await new Promise<Uint8Array>((resolve) => this.#waiting.push(resolve)));
    try {
      return await fillThrough(buffer, out, handle, position);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(buffer);
      else next(buffer);
    }
  }
}

async function fillThrough(buffer: Uint8Array, out: Uint8Array, handle: FileHandle, position: number): Promise<boolean> {
  const end = position + out.length;
  for (let at = position; at < end; ) {
    const start = blockStart(at);
    const { bytesRead } = await handle.read(buffer, 0, Math.min(blockEnd(end) - start, buffer.length), start);
    const reached = Math.min(start + bytesRead, end);
    if (reached <= at) return false;
    out.set(buffer.subarray(at - start, reached - start), at - position);
    at = reached;
  }
  return true;
}
