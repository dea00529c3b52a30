/**
 * A file to which one handle appends. It is written past the system's page cache where that is possible (open(2), O_DIRECT): what is on disk before a commit
 * returns gains nothing from a copy in the cache, which costs several times what the disk needs. What was written last is read from the buffer it went through.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { blockEnd, blockStart, O_DIRECT } from './aligned.ts';
import { WRITE_PIECE_BYTES } from './limits.ts';
import type { Placement } from './segments.ts';
import type { Piece, WriteBuffer } from './write-buffer.ts';

export class SegmentFile {
  readonly segment: number;
  readonly path: string;
  readonly #handle: FileHandle;
  /** None where the file is written through the page cache. */
  readonly #buffer: WriteBuffer | undefined;
  /** Bytes that are on disk and belong to somebody, up to the end of a block. */
  #end = 0;

  private constructor(segment: number, path: string, handle: FileHandle, buffer: WriteBuffer | undefined) {
    this.segment = segment;
    this.path = path;
    this.#handle = handle;
    this.#buffer = buffer;
  }

  /** @throws what the system says: EEXIST when there is such a file. */
  static async make(segment: number, path: string, buffer: WriteBuffer | undefined): Promise<SegmentFile> {
    const plain = await open(path, 'wx');
    const direct = buffer === undefined ? undefined : await openDirectly(path, buffer);
    if (direct === undefined) return new SegmentFile(segment, path, plain, undefined);
    await plain.close();
    return new SegmentFile(segment, path, direct, buffer);
  }

  get end(): number {
    return this.#end;
  }

  /** Writes values behind the last ones. They are not on disk yet. @throws what the system says; then `cutBack` makes it as it was. */
  async write(values: readonly Uint8Array[]): Promise<Placement> {
    const bytes = values.reduce((sum, value) => sum + value.length, 0);
    const placement = { segment: this.segment, position: this.#end, bytes };
    const buffer = this.#buffer;
    if (buffer === undefined) await writeAll(this.#handle, values, placement.position);
    else for (const piece of piecesOf(values, placement)) await writeBlocks(this.#handle, buffer.put(piece), piece.placement.position);
    return placement;
  }

  /** Resolves when all that was written is on disk. */
  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  /** What was written there belongs to somebody now. */
  keep(placement: Placement): void {
    this.#end = this.#endOf(placement);
  }

  /** Whether nothing was kept behind it. */
  endsWith(placement: Placement): boolean {
    return placement.segment === this.segment && this.#end === this.#endOf(placement);
  }

  /** Gives up what stands there and behind it. It may stay where the disk refuses even this: no row names it. */
  async cutBack(position: number): Promise<void> {
    this.#end = position;
    this.#buffer?.forget(this.segment, position);
    await this.#handle.truncate(position).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
  }

  #endOf({ position, bytes }: Placement): number {
    return this.#buffer === undefined ? position + bytes : blockEnd(position + bytes);
  }
}

/** Nothing where the system or the file's disk does not offer it: some say so at the first write only. */
async function openDirectly(path: string, buffer: WriteBuffer): Promise<FileHandle | undefined> {
  if (O_DIRECT === undefined) return undefined;
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_WRONLY | O_DIRECT);
    await writeBlocks(handle, buffer.put(TRIAL), 0);
    return handle;
  } catch {
    // What ails the disk besides is said when values are written.
    await handle?.close().catch(() => undefined);
    return undefined;
  }
}

/** What is written to see whether it can be, and later written over. */
const TRIAL: Piece = { values: [new Uint8Array(1)], placement: { segment: 0, position: 0, bytes: 1 } };

/** Parts that the buffer has room for, of whole blocks but the last. */
function* piecesOf(values: readonly Uint8Array[], { segment, position, bytes }: Placement): Generator<Piece> {
  let rest = values;
  for (let done = 0; done < bytes; done += WRITE_PIECE_BYTES) {
    const size = Math.min(WRITE_PIECE_BYTES, bytes - done);
    const [first, others] = splitAt(rest, size);
    yield { values: first, placement: { segment, position: position + done, bytes: size } };
    rest = others;
  }
}

/** A full disk shows as a short write first, so what is left is written until the system says why it can't. */
async function writeAll(handle: FileHandle, values: readonly Uint8Array[], position: number): Promise<void> {
  let rest: readonly Uint8Array[] = values.filter((value) => value.length > 0);
  let at = position;
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev([...rest], at);
    at += bytesWritten;
    rest = splitAt(rest, bytesWritten)[1];
  }
}

/** The same for whole blocks: one that was written in part is written again. */
async function writeBlocks(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += blockStart(bytesWritten);
  }
}

/** The first `bytes` of values, and what follows them. */
function splitAt(values: readonly Uint8Array[], bytes: number): [readonly Uint8Array[], readonly Uint8Array[]] {
  let left = bytes;
  const n = values.findIndex((value) => {
    if (left < value.length) return true;
    left -= value.length;
    return false;
  });
  const cut = values[n];
  if (cut === undefined) return [values, []];
  const first = values.slice(0, n);
  if (left > 0) first.push(cut.subarray(0, left));
  return [first, [cut.subarray(left), ...values.slice(n + 1)]];
}
