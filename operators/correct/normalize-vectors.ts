/**
 * `normalize` for ASCII white space, 16 bytes at a time. Whatever stands in a block, it is changed as a whole; white space after white space is then
 * taken out of it, run by run. (WebAssembly Core Specification 2.0, 4.4.3: what vector instructions compute.) 0.4 µs per KB of prose.
 */
import { asBuffer, type FunctionAssembler, type Local, wasm } from '#kernel';
import { SPACE } from '../text.ts';
import { BLOCK_BYTES, every, instantiated, LANES, lazily, OUTPUT, textModule, VECTORS_LIMIT_BYTES } from '../vectors.ts';
import { CASE_BIT, type Change, changeBytes, type Form, LETTERS, UNCHANGED } from './normalize-bytes.ts';

const { block, i32, i8x16, loop, select, v128, when } = wasm;

const SPACES = every(SPACE);
const TAB = 0x09;
/** Tab, LF, VT, FF, CR. */
const CONTROLS = 5;
const ALL_BITS = 0xff;
/** Shorter texts cost less byte by byte than the way to the module and back. */
const SHORT_BYTES = 24;

/** The change of a form whose white space, if it changes, is ASCII; undefined where no module can be made. */
export function changeVectors(form: Form): Change | undefined {
  const run = sharedModule();
  if (run === undefined) return undefined;
  const { memory, normalize } = run;
  const letters = form.firstLetter === undefined ? 0 : LETTERS;
  const spacing = form.whitespace === undefined ? 0 : ALL_BITS;
  const bytewise = changeBytes(form);
  return (from, start, end, to, at) => {
    const length = end - start;
    if (length < SHORT_BYTES || length > VECTORS_LIMIT_BYTES) return bytewise(from, start, end, to, at);
    asBuffer(from).copy(memory, 0, start, end);
    const made = normalize(length, form.firstLetter ?? 0, letters, spacing);
    if (made !== UNCHANGED) memory.copy(to, at, OUTPUT, OUTPUT + made);
    return made;
  };
}

const sharedModule = lazily(() => {
  const module = textModule();
  defineNormalize(module.function('normalize', 'i32'));
  const instance = instantiated(module);
  return instance && { memory: Buffer.from(instance.memory.buffer), normalize: instance.function('normalize') };
});

/** `normalize(length, first, letters, spacing)` → bytes written, or UNCHANGED. */
function defineNormalize(f: FunctionAssembler): void {
  const length = f.param('i32');
  /** The first letter whose case changes; how many do: 26, or 0. */
  const first = f.param('i32');
  const letters = f.param('i32');
  /** 255 if white space changes, else 0. */
  const spacing = f.param('i32');
  const firsts = f.local('v128');
  const counts = f.local('v128');
  const spaced = f.local('v128');
  const at = f.local('i32');
  const place = f.local('i32');
  const bytes = f.local('v128');
  const white = f.local('v128');
  const cased = f.local('v128');
  const made = f.local('v128');
  const changed = f.local('v128');
  /** A bit for each byte of the block, the lowest for its first: white space, and white space after white space. */
  const marks = f.local('i32');
  const drops = f.local('i32');
  const afterWhite = f.local('i32');
  const kept = f.local('i32');
  const written = f.local('i32');

  f.body(
    // What stands behind the text in its last block is white space at its end, which goes.
    v128.store(length.get, SPACES),
    firsts.set(i8x16.splat(first.get)),
    counts.set(i8x16.splat(letters.get)),
    spaced.set(i8x16.splat(spacing.get)),
    place.set(i32.const(OUTPUT)),
    afterWhite.set(i32.const(1)),
    block((done) =>
      loop((again) => [
        done.brIf(i32.ge_u(at.get, length.get)),
        bytes.set(v128.load(at.get)),
        white.set(v128.or(i8x16.eq(bytes.get, SPACES), i8x16.lt_u(i8x16.sub(bytes.get, every(TAB)), every(CONTROLS)))),
        white.set(v128.and(white.get, spaced.get)),
        cased.set(v128.and(i8x16.lt_u(i8x16.sub(bytes.get, firsts.get), counts.get), every(CASE_BIT))),
        made.set(v128.bitselect(SPACES, v128.xor(bytes.get, cased.get), white.get)),
        changed.set(v128.or(changed.get, v128.xor(bytes.get, made.get))),
        marks.set(i8x16.bitmask(white.get)),
        drops.set(i32.and(marks.get, i32.or(i32.shl(marks.get, i32.const(1)), afterWhite.get))),
        afterWhite.set(i32.shr_u(marks.get, i32.const(BLOCK_BYTES - 1))),
        kept.set(i32.sub(i32.const(BLOCK_BYTES), i32.popcnt(drops.get))),
        when(drops.get, squeeze(f, made, drops)),
        v128.store(place.get, made.get),
        place.set(i32.add(place.get, kept.get)),
        at.set(i32.add(at.get, i32.const(BLOCK_BYTES))),
        again.br(),
      ]),
    ),
    written.set(i32.sub(place.get, i32.const(OUTPUT))),
    // White space at the end is one space by now.
    written.set(i32.sub(written.get, i32.and(afterWhite.get, i32.ne(written.get, i32.const(0))))),
    written.set(select(written.get, length.get, spacing.get)),
    select(written.get, i32.const(UNCHANGED), i32.or(v128.any_true(changed.get), i32.ne(written.get, length.get))),
  );
}

/** Takes out of the block each run of bytes to drop, the last first: lanes from its begin on take what stands the run's length further on. */
function squeeze(f: FunctionAssembler, bytes: Local, drops: Local): wasm.Code {
  const above = f.local('i32');
  const run = f.local('i32');
  const begin = f.local('i32');
  return loop((again) => [
    above.set(i32.clz(drops.get)),
    run.set(i32.clz(i32.xor(i32.shl(drops.get, above.get), i32.const(-1)))),
    begin.set(i32.sub(i32.sub(i32.const(32), above.get), run.get)),
    bytes.set(i8x16.swizzle(bytes.get, i8x16.add(LANES, v128.and(i8x16.ge_u(LANES, i8x16.splat(begin.get)), i8x16.splat(run.get))))),
    drops.set(i32.and(drops.get, i32.sub(i32.shl(i32.const(1), begin.get), i32.const(1)))),
    again.brIf(drops.get),
  ]);
}
