/**
 * Looks at the write-ahead file that a killed process left (sqlite.org/fileformat2.html, section 4). SQLite takes its frames up to the first that does not
 * match its check sum, and drops the rest without a word: right for a commit that was cut off, wrong for one that was whole and changed at rest. What tells
 * them apart is what stands behind. A commit begins once the one before is on disk, so a bad frame with its own commit's end and another one behind it was
 * good. A commit that writes frames again gives its last one no salts before all others are right. A loss of power in the middle of a commit may leave any of
 * its frames, so a change in the last commit can't be told from that.
 */
import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { corrupt } from './sqlite-error.ts';

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** The last bit says whether words are summed in big-endian order. */
const MAGIC = 0x377f0682;

type Sums = readonly [number, number];

interface WriteAhead {
  readonly bytes: Buffer;
  /** The same in the order in which it is summed. */
  readonly words: Uint32Array;
  readonly pageBytes: number;
  readonly frames: number;
}

/** To be called while nobody writes. @throws LOG_CORRUPT, naming the frame. */
export function refuseDamagedWriteAhead(file: string): void {
  const walFile = `${file}-wal`;
  const problem = writeAheadProblem(walFile);
  // Looked at again: whoever has just begun to write may have been met half-way.
  if (problem !== undefined && writeAheadProblem(walFile) === problem) throw corrupt(walFile, problem);
}

/** What is wrong with it; undefined if nothing is, or there is none. */
export function writeAheadProblem(walFile: string): string | undefined {
  const bytes = read(walFile);
  if (bytes.length <= HEADER_BYTES) return undefined;
  const wal = open(bytes);
  if (wal === undefined) return 'its first 32 bytes do not match their check sum';
  const bad = firstBad(wal);
  if (bad === undefined) return undefined;
  const where = `frame ${bad} (from byte ${placeOf(wal, bad)} on)`;
  // Salts are not summed: what was left of another round would not follow.
  if (follows(wal, bad)) return `${where} does not have the salts of its file`;
  const endsItself = isOfThisRound(wal, bad) && endsCommit(wal, bad);
  if (commitsBehind(wal, bad) < (endsItself ? 1 : 2)) return undefined;
  return `${where} does not match its check sum, and commits stand behind it`;
}

function read(walFile: string): Buffer {
  try {
    return readFileSync(walFile);
  } catch {
    // Gone meanwhile, or not to be read: SQLite will say so.
    return Buffer.alloc(0);
  }
}

function open(bytes: Buffer): WriteAhead | undefined {
  const magic = bytes.readUInt32BE(0);
  if ((magic & ~1) >>> 0 !== MAGIC) return undefined;
  const words = wordsOf(bytes, (magic & 1) === 0);
  const sums = summed([0, 0], words, 0, HEADER_BYTES - 8);
  if (sums[0] !== bytes.readUInt32BE(24) || sums[1] !== bytes.readUInt32BE(28)) return undefined;
  const pageBytes = bytes.readUInt32BE(8);
  return { bytes, words, pageBytes, frames: Math.floor((bytes.length - HEADER_BYTES) / (pageBytes + FRAME_HEADER_BYTES)) };
}

/** As numbers of this machine: 60 MB take 0.15 s, in place of 0.33 s by reading word after word. */
function wordsOf(bytes: Buffer, littleEndian: boolean): Uint32Array {
  const copy = Buffer.from(new Uint8Array(bytes.subarray(0, bytes.length - (bytes.length % 4))).buffer);
  if (littleEndian !== (endianness() === 'LE')) copy.swap32();
  return new Uint32Array(copy.buffer);
}

const frameBytes = ({ pageBytes }: WriteAhead): number => FRAME_HEADER_BYTES + pageBytes;
const placeOf = (wal: WriteAhead, frame: number): number => HEADER_BYTES + frame * frameBytes(wal);

/** The first frame that is no more taken: often just where a new round ended before an older one. */
function firstBad(wal: WriteAhead): number | undefined {
  for (let frame = 0; frame < wal.frames; frame++) if (!isOfThisRound(wal, frame) || !follows(wal, frame)) return frame;
  return undefined;
}

/** Frames behind one that end a commit of this round, and follow each from the one before: the first from what that holds, if its own sum is what changed. */
function commitsBehind(wal: WriteAhead, bad: number): number {
  let commits = 0;
  for (let frame = bad + 1; frame < wal.frames; frame++) {
    const isWhole = follows(wal, frame) || (frame === bad + 1 && follows(wal, frame, sumsOf(wal, bad, storedBefore(wal, bad))));
    if (isWhole && endsCommit(wal, frame) && isOfThisRound(wal, frame)) commits++;
  }
  return commits;
}

function endsCommit(wal: WriteAhead, frame: number): boolean {
  return wal.bytes.readUInt32BE(placeOf(wal, frame) + 4) !== 0;
}

/** Its salts are those of the header: an older round had others. */
function isOfThisRound({ bytes, ...wal }: WriteAhead, frame: number): boolean {
  const at = placeOf({ bytes, ...wal }, frame);
  return bytes.compare(bytes, 16, 24, at + 8, at + 16) === 0;
}

/** Whether its sum is the right one after the one before it, or after another. */
function follows(wal: WriteAhead, frame: number, before = storedBefore(wal, frame)): boolean {
  const at = placeOf(wal, frame) + 16;
  const sums = sumsOf(wal, frame, before);
  return sums[0] === wal.bytes.readUInt32BE(at) && sums[1] === wal.bytes.readUInt32BE(at + 4);
}

/** As the frame before it says, or the header of the file. */
function storedBefore(wal: WriteAhead, frame: number): Sums {
  const at = frame === 0 ? HEADER_BYTES - 8 : placeOf(wal, frame - 1) + 16;
  return [wal.bytes.readUInt32BE(at), wal.bytes.readUInt32BE(at + 4)];
}

function sumsOf(wal: WriteAhead, frame: number, before: Sums): Sums {
  const at = placeOf(wal, frame);
  return summed(summed(before, wal.words, at, at + 8), wal.words, at + FRAME_HEADER_BYTES, at + frameBytes(wal));
}

/** Section 4.2: over pairs of 32-bit words. All places are multiples of 8 bytes. */
function summed([first, second]: Sums, words: Uint32Array, from: number, to: number): Sums {
  let [s0, s1] = [first, second];
  for (let at = from / 4; at < to / 4; at += 2) {
    s0 = (s0 + (words[at] ?? 0) + s1) >>> 0;
    s1 = (s1 + (words[at + 1] ?? 0) + s0) >>> 0;
  }
  return [s0, s1];
}
