/**
 * Texts of one JSON line, read into the bytes that they stand for (RFC 8259 section 7): byte by byte where they are short, and 16 bytes at a time
 * further on. \u escapes and whatever is no text are left to the strict parser; that the bytes are UTF-8 is for the caller to check.
 */
import { type FunctionAssembler, wasm } from '#kernel';
import { BLOCK_BYTES, every, instantiated, KEPT, lazily, OUTPUT, textModule, VECTORS_LIMIT_BYTES } from '../vectors.ts';

const { block, i32, i8x16, loop, v128, when } = wasm;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Characters before it are control characters, which stand in no text. */
const SPACE = 0x20;
const FIRST_NON_ASCII = 0x80;

/** Bytes of a text that are read one by one. Many texts end before, for less than the way to the module and back. */
const SHORT_BYTES = 16;

/** By the letter after a backslash, the byte that both stand for; 0: none here. */
const ESCAPES = new Uint8Array(256);
for (const [letter, character] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'].map((pair) => [
  pair.charCodeAt(0),
  pair.charCodeAt(1),
]))
  ESCAPES[letter ?? 0] = character ?? 0;

/** Place that says: no text that is read here. */
export const ELSEWHERE = -1;

export class JsonTexts {
  /** Bytes of the text that was read last. */
  length = 0;
  /** False if not all texts of the line so far are ASCII; where another byte of the line is not, it may be false as well. */
  isAscii = true;
  private readonly vectors: JsonVectors | undefined;
  private line: Uint8Array = new Uint8Array(0);
  /** Whether the line lies in the module's memory. */
  private isLoaded = false;

  /** `vectors`: undefined to read all byte by byte. */
  constructor(vectors: JsonVectors | undefined) {
    this.vectors = vectors;
  }

  begin(line: Uint8Array): void {
    this.line = line;
    this.isAscii = true;
    this.isLoaded = false;
  }

  /**
   * Reads the text whose first character, after the quote, stands at `start`, and writes it into `to` from `at` on, where there is room for the
   * rest of the line. Gives the place after the closing quote, or ELSEWHERE.
   */
  read(start: number, to: Uint8Array, at: number): number {
    const { line } = this;
    const end = line.length;
    const stop = this.vectors === undefined || end > VECTORS_LIMIT_BYTES ? end : Math.min(start + SHORT_BYTES, end);
    let place = at;
    let bits = 0;
    let i = start;
    for (; i < stop; i++) {
      let byte = line[i] as number;
      if (byte === QUOTE) {
        if (bits >= FIRST_NON_ASCII) this.isAscii = false;
        this.length = place - at;
        return i + 1;
      }
      if (byte < SPACE) return ELSEWHERE;
      if (byte === BACKSLASH) {
        byte = ESCAPES[line[++i] ?? 0] as number;
        if (byte === 0) return ELSEWHERE;
      }
      bits |= byte;
      to[place++] = byte;
    }
    if (bits >= FIRST_NON_ASCII) this.isAscii = false;
    return i < end && this.vectors !== undefined ? this.readOn(this.vectors, i, to, place, place - at) : ELSEWHERE;
  }

  /** Goes on in the middle of a text of which so many bytes are written. */
  private readOn({ memory, results, text }: JsonVectors, start: number, to: Uint8Array, at: number, written: number): number {
    if (!this.isLoaded) memory.set(this.line);
    this.isLoaded = true;
    const behind = text(start, this.line.length);
    if (behind === 0) return ELSEWHERE;
    const [length = 0, marks = 0] = results;
    memory.copy(to, at, OUTPUT, OUTPUT + length);
    if (marks !== 0) this.isAscii = false;
    this.length = written + length;
    return behind;
  }
}

export interface JsonVectors {
  readonly memory: Buffer;
  /** Bytes of the text that was read last, and other than 0 if not all are ASCII. */
  readonly results: Int32Array;
  readonly text: (...args: number[]) => number;
}

const RESULTS = KEPT;
const RESULT_BYTES = 4;
const ESCAPES_AT = RESULTS + 2 * RESULT_BYTES;

/** The thread's module; undefined where none can be made. */
export const jsonVectors = lazily((): JsonVectors | undefined => {
  const module = textModule();
  defineText(module.function('text', 'i32'));
  const instance = instantiated(module);
  if (instance === undefined) return undefined;
  const memory = Buffer.from(instance.memory.buffer);
  memory.set(ESCAPES, ESCAPES_AT);
  return { memory, results: new Int32Array(instance.memory.buffer, RESULTS, 2), text: instance.function('text') };
});

/** `text(start, end)` → the place after the closing quote of the text that goes on at `start` in a line of `end` bytes; 0: no text that is read here. */
function defineText(f: FunctionAssembler): void {
  const at = f.param('i32');
  const end = f.param('i32');
  const place = f.local('i32');
  const bytes = f.local('v128');
  const bits = f.local('v128');
  /** A bit for each byte of the block, the lowest for its first: what ends a stretch of plain characters. */
  const marks = f.local('i32');
  const byte = f.local('i32');
  const behind = f.local('i32');

  f.body(
    // Control characters behind the line end every text.
    v128.store(end.get, every(0)),
    place.set(i32.const(OUTPUT)),
    block((done) =>
      loop((again) => [
        bytes.set(v128.load(at.get)),
        v128.store(place.get, bytes.get),
        bits.set(v128.or(bits.get, bytes.get)),
        marks.set(
          i8x16.bitmask(
            v128.or(i8x16.lt_u(bytes.get, every(SPACE)), v128.or(i8x16.eq(bytes.get, every(QUOTE)), i8x16.eq(bytes.get, every(BACKSLASH)))),
          ),
        ),
        when(i32.eqz(marks.get), [
          at.set(i32.add(at.get, i32.const(BLOCK_BYTES))),
          place.set(i32.add(place.get, i32.const(BLOCK_BYTES))),
          again.br(),
        ]),
        at.set(i32.add(at.get, i32.ctz(marks.get))),
        place.set(i32.add(place.get, i32.ctz(marks.get))),
        byte.set(i32.load8_u(at.get)),
        when(i32.eq(byte.get, i32.const(QUOTE)), [behind.set(i32.add(at.get, i32.const(1))), done.br()]),
        done.brIf(i32.ne(byte.get, i32.const(BACKSLASH))),
        byte.set(i32.load8_u(i32.load8_u(at.get, 1), ESCAPES_AT)),
        done.brIf(i32.eqz(byte.get)),
        i32.store8(place.get, byte.get),
        place.set(i32.add(place.get, i32.const(1))),
        at.set(i32.add(at.get, i32.const(2))),
        again.br(),
      ]),
    ),
    i32.store(i32.const(RESULTS), i32.sub(place.get, i32.const(OUTPUT))),
    i32.store(i32.const(RESULTS), i8x16.bitmask(bits.get), RESULT_BYTES),
    behind.get,
  );
}
