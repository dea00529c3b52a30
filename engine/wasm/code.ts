/**
 * Instructions of WebAssembly as nested lists of bytes, written as in the folded text format: `i32.add(a.get, i32.const(4))` is the code of `a`,
 * of 4, and the addition. (WebAssembly Core Specification 2.0: 5.4 binary instructions, 3.3 what each takes from the stack and leaves there.)
 * Nothing is checked here: a module that uses its stack wrongly is refused when it is compiled.
 */

/** Bytes, code one after the other, a block that ends with `end`, or a branch whose depth follows from where it stands. */
export type Code = number | readonly Code[] | Block | Branch;

/** What a branch goes to: the end of a block, the start of a loop. */
export interface Label {
  /** Goes there. */
  br(): Code;
  /** Goes there if the number is not 0. */
  brIf(condition: Code): Code;
}

/** A structured instruction: its opcode and type, then its body (and that after `else`), in which `label` is bound. */
interface Block {
  readonly opcode: number;
  readonly label: Label | undefined;
  readonly body: Code;
  readonly otherwise: Code | undefined;
}

interface Branch {
  readonly branch: number;
  readonly to: Label;
}

const EMPTY_TYPE = 0x40;
const ELSE = 0x05;
const END = 0x0b;

/** LEB128 of a whole number from 0 to 2^32 − 1 (5.2.2). */
export function u32Leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}

/** LEB128 of the 32 bits of a number, read as signed: they are the same constant. */
function s32Leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (; rest > 0x3f || rest < -0x40; rest >>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest & 0x7f);
  return bytes;
}

/** The bytes of code; depths of branches count the blocks around them (5.4.1). */
export function codeBytes(code: Code): number[] {
  const out: number[] = [];
  write(code, [], out);
  return out;
}

function isList(code: Code): code is readonly Code[] {
  return Array.isArray(code);
}

function write(code: Code, around: readonly (Label | undefined)[], out: number[]): void {
  if (typeof code === 'number') {
    out.push(code);
  } else if (isList(code)) {
    for (const part of code) {
      if (typeof part === 'number') out.push(part);
      else write(part, around, out);
    }
  } else if ('opcode' in code) {
    out.push(code.opcode, EMPTY_TYPE);
    const inside = [code.label, ...around];
    write(code.body, inside, out);
    if (code.otherwise !== undefined) {
      out.push(ELSE);
      write(code.otherwise, inside, out);
    }
    out.push(END);
  } else {
    out.push(code.branch, ...u32Leb(around.indexOf(code.to)));
  }
}

function newLabel(): Label {
  const label: Label = {
    br: () => ({ branch: 0x0c, to: label }),
    brIf: (condition) => [condition, { branch: 0x0d, to: label }],
  };
  return label;
}

/** A branch to the label leaves the block. */
export function block(body: (leave: Label) => Code): Code {
  const label = newLabel();
  return { opcode: 0x02, label, body: body(label), otherwise: undefined };
}

/** A branch to the label begins the loop again; without one it ends. */
export function loop(body: (again: Label) => Code): Code {
  const label = newLabel();
  return { opcode: 0x03, label, body: body(label), otherwise: undefined };
}

/** `then` where the condition is not 0. */
export function when(condition: Code, then: Code, otherwise?: Code): Code {
  return [condition, { opcode: 0x04, label: undefined, body: then, otherwise }];
}

/** `first` where the condition is not 0, else `second`; both are computed. */
export function select(first: Code, second: Code, condition: Code): Code {
  return [first, second, condition, 0x1b];
}

type Unary = (value: Code) => Code;
type Binary = (left: Code, right: Code) => Code;

const unary =
  (...opcode: number[]): Unary =>
  (value) => [value, opcode];
const binary =
  (...opcode: number[]): Binary =>
  (left, right) => [left, right, opcode];

/** Reads at `address` + `offset`, which need not be aligned. */
type Load = (address: Code, offset?: number) => Code;
type Store = (address: Code, value: Code, offset?: number) => Code;

const load =
  (...opcode: number[]): Load =>
  (address, offset = 0) => [address, opcode, 0, u32Leb(offset)];
const store =
  (...opcode: number[]): Store =>
  (address, value, offset = 0) => [address, value, opcode, 0, u32Leb(offset)];

/** Numbers of 32 bits (5.4.6, 5.4.7). Memory is little-endian. */
export const i32 = {
  const: (value: number): Code => [0x41, s32Leb(value)],
  load: load(0x28),
  load8_u: load(0x2d),
  load16_u: load(0x2f),
  store: store(0x36),
  store8: store(0x3a),
  store16: store(0x3b),
  eqz: unary(0x45),
  eq: binary(0x46),
  ne: binary(0x47),
  lt_s: binary(0x48),
  lt_u: binary(0x49),
  gt_s: binary(0x4a),
  gt_u: binary(0x4b),
  le_s: binary(0x4c),
  le_u: binary(0x4d),
  ge_s: binary(0x4e),
  ge_u: binary(0x4f),
  clz: unary(0x67),
  ctz: unary(0x68),
  popcnt: unary(0x69),
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  and: binary(0x71),
  or: binary(0x72),
  xor: binary(0x73),
  shl: binary(0x74),
  shr_s: binary(0x75),
  shr_u: binary(0x76),
  rotl: binary(0x77),
  rotr: binary(0x78),
} as const;

const VECTOR = 0xfd;
const simd = (opcode: number): number[] => [VECTOR, ...u32Leb(opcode)];

/** 128 bits as they are (5.4.8). */
export const v128 = {
  load: load(...simd(0)),
  store: store(...simd(11)),
  /** 16 bytes. */
  const: (bytes: readonly number[]): Code => [simd(12), bytes],
  not: unary(...simd(77)),
  and: binary(...simd(78)),
  /** left and not right. */
  andnot: binary(...simd(79)),
  or: binary(...simd(80)),
  xor: binary(...simd(81)),
  /** Bits of `ones` where the mask has 1, else those of `zeros`. */
  bitselect: (ones: Code, zeros: Code, mask: Code): Code => [ones, zeros, mask, simd(82)],
  any_true: unary(...simd(83)),
} as const;

/** 16 lanes of 8 bits. Comparisons give 255 or 0 in each lane, `bitmask` the top bit of each as a number. */
export const i8x16 = {
  /** 16 numbers: 0 to 15 take a byte of `left`, 16 to 31 one of `right`. */
  shuffle: (left: Code, right: Code, lanes: readonly number[]): Code => [left, right, simd(13), lanes],
  /** Bytes of `left` at the places that `right` says; 0 for places from 16 on. */
  swizzle: binary(...simd(14)),
  splat: unary(...simd(15)),
  eq: binary(...simd(35)),
  ne: binary(...simd(36)),
  lt_s: binary(...simd(37)),
  lt_u: binary(...simd(38)),
  gt_s: binary(...simd(39)),
  gt_u: binary(...simd(40)),
  le_u: binary(...simd(42)),
  ge_u: binary(...simd(44)),
  all_true: unary(...simd(99)),
  bitmask: unary(...simd(100)),
  add: binary(...simd(110)),
  sub: binary(...simd(113)),
} as const;

/** 4 lanes of 32 bits. Shifts take their count as a number, modulo 32. */
export const i32x4 = {
  splat: unary(...simd(17)),
  extract_lane: (value: Code, lane: number): Code => [value, simd(27), lane],
  replace_lane: (value: Code, number: Code, lane: number): Code => [value, number, simd(28), lane],
  shl: binary(...simd(171)),
  shr_u: binary(...simd(173)),
  add: binary(...simd(174)),
} as const;
