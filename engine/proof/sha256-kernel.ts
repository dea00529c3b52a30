/**
 * SHA-256 (FIPS 180-4) of four messages at once, as WebAssembly: a vector of 128 bits holds the same word of each, so that one instruction
 * computes it for all four. `hash` takes messages that lie padded one after the other, `nodes` pairs of digests, which RFC 6962 joins behind a byte 01.
 */
import { invariant } from '../contract/errors.ts';
import type { FunctionAssembler, Local, WasmInstance } from '../wasm/assembler.ts';
import { ModuleAssembler } from '../wasm/assembler.ts';
import type { Code } from '../wasm/code.ts';
import { i8x16, i32, i32x4, loop, select, v128, when } from '../wasm/code.ts';
import { DIGEST_BYTES } from './sha256.ts';

export const BLOCK_BYTES = 64;
export const LANES = 4;

const WORD_BYTES = 4;
const VECTOR_BYTES = LANES * WORD_BYTES;
const WORDS = BLOCK_BYTES / WORD_BYTES;
const ROUNDS = 64;

/** Section 5.3.3. */
const INITIAL = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
/** Section 4.2.2. */
const CONSTANTS = [
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
  0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
  0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
  0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
  0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
  0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/** Memory begins with the constants, each in all lanes, and four nodes; the rest is the caller's. */
const CONSTANTS_END = ROUNDS * VECTOR_BYTES;
const PAIR_BYTES = 2 * DIGEST_BYTES;
const NODE_BYTES = 2 * BLOCK_BYTES;
export const FREE_FROM = CONSTANTS_END + LANES * NODE_BYTES;

const splat = (word: number): Code => i32x4.splat(i32.const(word));
const shr = (x: Code, bits: number): Code => i32x4.shr_u(x, i32.const(bits));
const rotr = (x: Code, bits: number): Code => v128.or(shr(x, bits), i32x4.shl(x, i32.const(32 - bits)));
const xor3 = (a: Code, b: Code, c: Code): Code => v128.xor(v128.xor(a, b), c);

/** Section 4.1.2: the functions Σ0, Σ1, σ0, σ1 and Ch. */
const sum0 = (x: Code): Code => xor3(rotr(x, 2), rotr(x, 13), rotr(x, 22));
const sum1 = (x: Code): Code => xor3(rotr(x, 6), rotr(x, 11), rotr(x, 25));
const sigma0 = (x: Code): Code => xor3(rotr(x, 7), rotr(x, 18), shr(x, 3));
const sigma1 = (x: Code): Code => xor3(rotr(x, 17), rotr(x, 19), shr(x, 10));
const choose = (x: Code, y: Code, z: Code): Code => v128.xor(z, v128.and(x, v128.xor(y, z)));

/** Bytes of words in the order of a shuffle: 0 to 3 are those of its first vector, 4 to 7 of its second. */
const words = (...order: number[]): number[] => order.flatMap((word) => [0, 1, 2, 3].map((byte) => word * WORD_BYTES + byte));
/** Words are big-endian in messages and digests, little-endian in lanes. */
const OTHER_ENDIAN = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];
const swapped = (x: Local): Code => i8x16.shuffle(x.get, x.get, OTHER_ENDIAN);

/** The nth words of four vectors become the nth vector: of rows, columns. */
function transpose(from: readonly Local[], to: readonly Local[]): Code {
  const [a, b, c, d] = [one(from, 0), one(from, 1), one(from, 2), one(from, 3)];
  const [p, q, r, s] = [one(to, 0), one(to, 1), one(to, 2), one(to, 3)];
  const halves = (x: Local, y: Local): Code => [
    i8x16.shuffle(x.get, y.get, words(0, 1, 4, 5)),
    i8x16.shuffle(x.get, y.get, words(2, 3, 6, 7)),
  ];
  return [
    p.set(i8x16.shuffle(a.get, b.get, words(0, 4, 1, 5))),
    q.set(i8x16.shuffle(c.get, d.get, words(0, 4, 1, 5))),
    r.set(i8x16.shuffle(a.get, b.get, words(2, 6, 3, 7))),
    s.set(i8x16.shuffle(c.get, d.get, words(2, 6, 3, 7))),
    // All four are on the stack before the first is set.
    [halves(p, q), halves(r, s), s.set([]), r.set([]), q.set([]), p.set([])],
  ];
}

function one(locals: readonly Local[], n: number): Local {
  const local = locals[n];
  invariant(local !== undefined, 'a vector of the kernel');
  return local;
}

/** The variables of section 6.2 in four lanes, and what is done to them. */
class Lanes {
  /** Where the current block of each message begins. */
  readonly blocks: readonly Local[];
  private readonly schedule: readonly Local[];
  private readonly hash: readonly Local[];
  private readonly state: readonly Local[];
  private readonly rows: readonly Local[];
  private readonly t1: Local;
  /** `Maj(a, b, c)` is ((a ⊕ b) ∧ (b ⊕ c)) ⊕ b, and b ⊕ c what a ⊕ b was a round before. */
  private readonly ab: Local;
  private readonly bc: Local;
  private readonly constants: Local;

  constructor(f: FunctionAssembler) {
    const vectors = (count: number): Local[] => Array.from({ length: count }, () => f.local('v128'));
    this.blocks = Array.from({ length: LANES }, () => f.local('i32'));
    this.schedule = vectors(WORDS);
    this.hash = vectors(INITIAL.length);
    this.state = vectors(INITIAL.length);
    this.rows = vectors(LANES);
    this.t1 = f.local('v128');
    this.ab = f.local('v128');
    this.bc = f.local('v128');
    this.constants = f.local('i32');
  }

  begin(): Code {
    return INITIAL.map((word, n) => one(this.hash, n).set(splat(word)));
  }

  /** Takes the block of each lane in, and goes to the next. */
  load(): Code {
    const quarters = [0, 1, 2, 3].map((quarter) => [
      this.rows.map((row, lane) => [row.set(v128.load(one(this.blocks, lane).get, quarter * VECTOR_BYTES)), row.set(swapped(row))]),
      transpose(this.rows, this.schedule.slice(quarter * LANES, (quarter + 1) * LANES)),
    ]);
    return [quarters, this.blocks.map((block) => block.set(i32.add(block.get, i32.const(BLOCK_BYTES))))];
  }

  /** Section 6.2.2 in four turns of 16 rounds. Between them the schedule is computed where it stands. */
  compress(): Code {
    return [
      this.state.map((value, n) => value.set(one(this.hash, n).get)),
      this.bc.set(v128.xor(one(this.state, 1).get, one(this.state, 2).get)),
      this.constants.set(i32.const(0)),
      loop((again) => [
        this.schedule.map((_, t) => this.round(t)),
        this.constants.set(i32.add(this.constants.get, i32.const(WORDS * VECTOR_BYTES))),
        when(i32.lt_u(this.constants.get, i32.const(CONSTANTS_END)), [this.schedule.map((_, t) => this.schedulesNext(t)), again.br()]),
      ]),
      this.hash.map((value, n) => value.set(i32x4.add(value.get, one(this.state, n).get))),
    ];
  }

  private word(t: number): Local {
    return one(this.schedule, t % WORDS);
  }

  private schedulesNext(t: number): Code {
    const word = this.word(t);
    const near = i32x4.add(word.get, sigma0(this.word(t + 1).get));
    return word.set(i32x4.add(near, i32x4.add(this.word(t + 9).get, sigma1(this.word(t + 14).get))));
  }

  /** Instead of moving each value on, the variables change their names: after 8 rounds they have their own again. */
  private round(t: number): Code {
    const named = (n: number): Local => one(this.state, (n + WORDS - t) % INITIAL.length);
    const [a, b, d, e, f, g, h] = [named(0), named(1), named(3), named(4), named(5), named(6), named(7)];
    const input = i32x4.add(this.word(t).get, v128.load(this.constants.get, t * VECTOR_BYTES));
    const mixed = i32x4.add(sum1(e.get), choose(e.get, f.get, g.get));
    const majority = v128.xor(b.get, v128.and(this.ab.get, this.bc.get));
    return [
      this.t1.set(i32x4.add(i32x4.add(h.get, input), mixed)),
      d.set(i32x4.add(d.get, this.t1.get)),
      this.ab.set(v128.xor(a.get, b.get)),
      h.set(i32x4.add(this.t1.get, i32x4.add(sum0(a.get), majority))),
      this.bc.set(this.ab.get),
    ];
  }

  /** Writes the digests of the first `count` lanes from `out` on. */
  store(out: Local, count: Local): Code {
    return [0, 1].map((half) => [
      transpose(this.hash.slice(half * LANES, (half + 1) * LANES), this.rows),
      this.rows.map((row, lane) => {
        const written = v128.store(out.get, swapped(row), lane * DIGEST_BYTES + half * VECTOR_BYTES);
        return when(i32.gt_s(count.get, i32.const(lane)), written);
      }),
    ]);
  }
}

const increase = (local: Local, by: Code): Code => local.set(i32.add(local.get, by));
/** Counts down, and says whether any are left. */
const anyLeft = (count: Local, less: number): Code => i32.gt_s(count.tee(i32.sub(count.get, i32.const(less))), i32.const(0));

const atMostFour = (count: Local): Code => select(count.get, i32.const(LANES), i32.lt_s(count.get, i32.const(LANES)));

/** `hash(messages, blocks, count, out)`: `count` messages of `blocks` blocks each. Up to three more are read, and nothing is written of them. */
function defineHash(f: FunctionAssembler): void {
  const [messages, blocks, count, out] = [f.param('i32'), f.param('i32'), f.param('i32'), f.param('i32')];
  const [left, stride] = [f.local('i32'), f.local('i32')];
  const lanes = new Lanes(f);
  f.body(
    stride.set(i32.mul(blocks.get, i32.const(BLOCK_BYTES))),
    loop((nextFour) => [
      lanes.blocks.map((block) => [block.set(messages.get), increase(messages, stride.get)]),
      left.set(blocks.get),
      lanes.begin(),
      loop((nextBlock) => [lanes.load(), lanes.compress(), nextBlock.brIf(anyLeft(left, 1))]),
      lanes.store(out, count),
      increase(out, i32.const(LANES * DIGEST_BYTES)),
      nextFour.brIf(anyLeft(count, LANES)),
    ]),
  );
}

/** `nodes(pairs, count, out)`: of `count` pairs of digests; `out` may be where they lie, as of four all are read before one is written. */
function defineNodes(f: FunctionAssembler, hash: FunctionAssembler): void {
  const [pairs, count, out] = [f.param('i32'), f.param('i32'), f.param('i32')];
  const part = f.local('v128');
  const copy = (lane: number, at: number): Code => {
    const place = CONSTANTS_END + lane * NODE_BYTES + 1 + at;
    return [part.set(v128.load(pairs.get, lane * PAIR_BYTES + at)), v128.store(i32.const(place), part.get)];
  };
  const four = Array.from({ length: LANES }, (_, lane) => [0, 16, 32, 48].map((at) => copy(lane, at)));
  f.body(
    loop((nextFour) => [
      four,
      hash.call(i32.const(CONSTANTS_END), i32.const(NODE_BYTES / BLOCK_BYTES), atMostFour(count), out.get),
      increase(pairs, i32.const(LANES * PAIR_BYTES)),
      increase(out, i32.const(LANES * DIGEST_BYTES)),
      nextFour.brIf(anyLeft(count, LANES)),
    ]),
  );
}

/** The kernel with a memory of its own. @throws WebAssembly.CompileError on a machine without vectors. */
export function instantiateKernel(pages: number): WasmInstance {
  const module = new ModuleAssembler({ initial: pages, maximum: pages });
  const hash = module.function('hash');
  defineHash(hash);
  defineNodes(module.function('nodes'), hash);
  const instance = module.instantiate();
  const memory = new DataView(instance.memory.buffer);
  for (const [t, constant] of CONSTANTS.entries()) {
    for (let lane = 0; lane < LANES; lane++) memory.setUint32(t * VECTOR_BYTES + lane * WORD_BYTES, constant, true);
  }
  for (let lane = 0; lane < LANES; lane++) {
    const node = CONSTANTS_END + lane * NODE_BYTES;
    memory.setUint8(node, 1);
    memory.setUint8(node + 1 + PAIR_BYTES, 0x80);
    memory.setUint16(node + NODE_BYTES - 2, 8 * (1 + PAIR_BYTES));
  }
  return instance;
}
