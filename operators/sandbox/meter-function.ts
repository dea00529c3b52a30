/**
 * Puts counting into one function of a WebAssembly module: at its start if it calls others, at every turn of a loop, and before bulk
 * instructions. What stands between two of those places is bounded by the size of the function. `return` becomes a branch to the end of the
 * body, which is the same, so that one place gives the depth back.
 */
import { MizuError } from '#kernel';
import { ByteCursor, ByteList } from './wasm-bytes.ts';

/** Value types and empty block type (Core 2.0, 5.3). */
export const I32 = 0x7f;
export const VOID = 0x40;
export const END = 0x0b;
export const I32_CONST = 0x41;

const UNREACHABLE = 0x00;
const BLOCK = 0x02;
const LOOP = 0x03;
const IF = 0x04;
const BR = 0x0c;
const BR_IF = 0x0d;
const BR_TABLE = 0x0e;
const RETURN = 0x0f;
const CALL = 0x10;
const CALL_INDIRECT = 0x11;
const SELECT_TYPED = 0x1c;
const GLOBAL_GET = 0x23;
const GLOBAL_SET = 0x24;
const I32_LT_S = 0x48;
const I32_ADD = 0x6a;
const I32_SUB = 0x6b;
const I32_SHR_U = 0x76;
const PREFIX = 0xfc;
const MEMORY_COPY = 10;
const MEMORY_FILL = 11;
/** A bulk instruction takes a step for 2^6 bytes. */
const BULK_SHIFT = 6;

/** Indices of the globals that count. */
export interface Counters {
  readonly steps: number;
  readonly depth: number;
  readonly scratch: number;
}

/** @param body locals and instructions. @param result its result as a block type. @throws BYTES_INVALID for instructions that are not counted. */
export function meterFunction(body: Uint8Array, result: number, counters: Counters): Uint8Array {
  const input = new ByteCursor(body);
  const locals = localsOf(input);
  const code = new ByteList();
  const { calls } = meterInstructions(input, code, counters);
  const made = new ByteList();
  made.bytes(locals);
  if (calls) {
    takeOne(made, counters.steps);
    takeOne(made, counters.depth);
    made.byte(BLOCK);
    made.byte(result);
  }
  made.bytes(code.view());
  if (calls) {
    made.byte(END);
    addTo(made, counters.depth, I32_ADD);
  }
  made.byte(END);
  return made.view();
}

function localsOf(input: ByteCursor): Uint8Array {
  const start = input.place;
  for (let groups = input.u32(); groups > 0; groups--) {
    input.u32();
    input.byte();
  }
  return input.since(start);
}

/** All but the last `end`. */
function meterInstructions(input: ByteCursor, code: ByteList, counters: Counters): { readonly calls: boolean } {
  let nesting = 0;
  let calls = false;
  while (input.left > 1) {
    const start = input.place;
    const op = input.byte();
    if (op === RETURN) {
      code.byte(BR);
      code.u32(nesting);
      continue;
    }
    const bulk = skipImmediates(input, op);
    if (bulk) takeBulk(code, counters);
    code.bytes(input.since(start));
    if (op === BLOCK || op === LOOP || op === IF) nesting++;
    else if (op === END) nesting--;
    else if (op === CALL || op === CALL_INDIRECT) calls = true;
    if (op === LOOP) takeOne(code, counters.steps);
  }
  return { calls };
}

/** True for a bulk instruction. Instructions of Core 2.0 without vectors, and without those on tables. */
function skipImmediates(input: ByteCursor, op: number): boolean {
  const one = op === BLOCK || op === LOOP || op === IF || op === BR || op === BR_IF || op === CALL || (op >= 0x20 && op <= 0x26);
  if (one || op === 0x3f || op === 0x40 || op === I32_CONST || op === 0x42 || op === 0xd0 || op === 0xd2) input.skipNumber();
  else if (op === CALL_INDIRECT || (op >= 0x28 && op <= 0x3e)) {
    input.skipNumber();
    input.skipNumber();
  } else if (op === 0x43) input.take(4);
  else if (op === 0x44) input.take(8);
  else if (op === SELECT_TYPED) input.take(input.u32());
  else if (op === BR_TABLE) for (let labels = input.u32() + 1; labels > 0; labels--) input.skipNumber();
  else if (op === PREFIX) return skipPrefixed(input);
  else if (!hasNone(op)) throw new MizuError('BYTES_INVALID', `The WebAssembly instruction 0x${op.toString(16)} is not metered`);
  return false;
}

function hasNone(op: number): boolean {
  return op <= 0x01 || op === 0x05 || op === END || op === 0x1a || op === 0x1b || (op >= 0x45 && op <= 0xc4) || op === 0xd1;
}

function skipPrefixed(input: ByteCursor): boolean {
  const op = input.u32();
  if (op <= 7) return false;
  if (op !== MEMORY_COPY && op !== MEMORY_FILL)
    throw new MizuError('BYTES_INVALID', `The WebAssembly instruction 0xfc ${op} is not metered`);
  input.take(op === MEMORY_COPY ? 2 : 1);
  return true;
}

/** Takes one from a counter; below zero is a trap. */
function takeOne(code: ByteList, counter: number): void {
  addTo(code, counter, I32_SUB);
  trapBelowZero(code, counter);
}

function addTo(code: ByteList, counter: number, op: number): void {
  code.byte(GLOBAL_GET);
  code.u32(counter);
  code.byte(I32_CONST);
  code.byte(1);
  code.byte(op);
  code.byte(GLOBAL_SET);
  code.u32(counter);
}

function trapBelowZero(code: ByteList, counter: number): void {
  code.byte(GLOBAL_GET);
  code.u32(counter);
  for (const byte of [I32_CONST, 0, I32_LT_S, IF, VOID, UNREACHABLE, END]) code.byte(byte);
}

/** The number of bytes lies on top of the stack, and stays there. */
function takeBulk(code: ByteList, { steps, scratch }: Counters): void {
  code.byte(GLOBAL_SET);
  code.u32(scratch);
  code.byte(GLOBAL_GET);
  code.u32(scratch);
  code.byte(GLOBAL_GET);
  code.u32(steps);
  code.byte(GLOBAL_GET);
  code.u32(scratch);
  for (const byte of [I32_CONST, BULK_SHIFT, I32_SHR_U, I32_SUB, GLOBAL_SET]) code.byte(byte);
  code.u32(steps);
  trapBelowZero(code, steps);
}
