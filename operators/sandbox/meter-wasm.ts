/**
 * Rewrites a WebAssembly module so that it counts its own work: one step for every turn of a loop and every call, one for 64 bytes that a
 * bulk instruction moves, and how deep calls are nested. Whoever runs it sets what is left before a call; running out is a trap at the same
 * instruction on every machine (WebAssembly is deterministic but for NaN bits and resources). Built-in functions of the guest are
 * counted like everything else. WebAssembly Core 2.0: binary format (5), instructions (5.4). Other instructions are refused by name.
 */
import { MizuError } from '#kernel';
import type { Counters } from './meter-function.ts';
import { END, I32, I32_CONST, meterFunction, VOID } from './meter-function.ts';
import { ByteCursor, ByteList } from './wasm-bytes.ts';

const SECTION = { custom: 0, type: 1, import: 2, function: 3, global: 6, export: 7, code: 10 } as const;
const EXTERNAL = { func: 0, table: 1, memory: 2, global: 3 } as const;
const FUNCTION_TYPE = 0x60;

/** Names under which a metered module exports its counters. Its own mutable globals are exported as `global0`, `global1`, … */
export const STEPS_LEFT = 'mizuStepsLeft';
export const DEPTH_LEFT = 'mizuDepthLeft';
export const OWN_GLOBAL = 'global';
/** Steps, depth, and one to look at a number on the stack. */
const COUNTERS = 3;
/** 2^31 − 1 in LEB128: until somebody sets the counters, as when the module starts, nothing runs out. */
const I32_MOST = [0xff, 0xff, 0xff, 0xff, 0x07];

interface Seen {
  /** Result of each function type, as a block type. */
  results: readonly number[];
  /** Type of each function that the module defines. */
  functions: readonly number[];
  globals: number;
  readonly sections: Set<number>;
}

/** @throws BYTES_INVALID for a module that is cut short or uses what is not counted. */
export function meterWasm(module: Uint8Array): Uint8Array<ArrayBuffer> {
  const input = new ByteCursor(module);
  const output = new ByteList();
  output.bytes(input.take(8));
  const seen: Seen = { results: [], functions: [], globals: 0, sections: new Set() };
  while (input.left > 0) {
    const id = input.byte();
    const body = input.take(input.u32());
    seen.sections.add(id);
    if (id === SECTION.custom) continue;
    const section = rewriteSection(id, body, seen);
    output.byte(id);
    output.u32(section.length);
    output.bytes(section);
  }
  const missing = [SECTION.global, SECTION.export, SECTION.code].filter((id) => !seen.sections.has(id));
  if (missing.length > 0)
    throw new MizuError('BYTES_INVALID', `A WebAssembly module without section ${missing.join(', ')} can't be metered`);
  return output.take();
}

function rewriteSection(id: number, bytes: Uint8Array, seen: Seen): Uint8Array {
  const body = new ByteCursor(bytes);
  if (id === SECTION.type) seen.results = resultsOf(body);
  else if (id === SECTION.function) seen.functions = numbersOf(body);
  else if (id === SECTION.import) refuseImportedGlobals(body);
  else if (id === SECTION.global) return addCounters(body, seen);
  else if (id === SECTION.export) return exportCounters(body, seen.globals);
  else if (id === SECTION.code) return meterCode(body, seen);
  return bytes;
}

function resultsOf(body: ByteCursor): number[] {
  return Array.from({ length: body.u32() }, () => {
    if (body.byte() !== FUNCTION_TYPE) throw new MizuError('BYTES_INVALID', 'A WebAssembly type is no function');
    body.take(body.u32());
    const results = body.take(body.u32());
    if (results.length > 1) throw new MizuError('BYTES_INVALID', 'A WebAssembly function with several results is not metered');
    return results[0] ?? VOID;
  });
}

function numbersOf(body: ByteCursor): number[] {
  return Array.from({ length: body.u32() }, () => body.u32());
}

function addCounters(body: ByteCursor, seen: Seen): Uint8Array {
  const section = new ByteList();
  seen.globals = body.u32();
  section.u32(seen.globals + COUNTERS);
  section.bytes(body.rest());
  for (let n = 0; n < COUNTERS; n++) section.bytes(Uint8Array.of(I32, 1, I32_CONST, ...I32_MOST, END));
  return section.view();
}

function exportCounters(body: ByteCursor, own: number): Uint8Array {
  const names = [...Array.from({ length: own }, (_, n) => `${OWN_GLOBAL}${n}`), STEPS_LEFT, DEPTH_LEFT];
  const section = new ByteList();
  section.u32(body.u32() + names.length);
  section.bytes(body.rest());
  for (const [index, name] of names.entries()) {
    section.u32(name.length);
    section.bytes(Buffer.from(name, 'latin1'));
    section.byte(EXTERNAL.global);
    section.u32(index);
  }
  return section.view();
}

function meterCode(body: ByteCursor, seen: Seen): Uint8Array {
  const counters: Counters = { steps: seen.globals, depth: seen.globals + 1, scratch: seen.globals + 2 };
  const section = new ByteList();
  const count = body.u32();
  section.u32(count);
  for (let n = 0; n < count; n++) {
    const result = seen.results[seen.functions[n] ?? -1] ?? VOID;
    const made = meterFunction(body.take(body.u32()), result, counters);
    section.u32(made.length);
    section.bytes(made);
  }
  return section.view();
}

/** Indices of globals would shift. */
function refuseImportedGlobals(body: ByteCursor): void {
  for (let count = body.u32(); count > 0; count--) {
    body.take(body.u32());
    body.take(body.u32());
    const kind = body.byte();
    if (kind === EXTERNAL.func) body.u32();
    else if (kind === EXTERNAL.memory) limits(body);
    else if (kind === EXTERNAL.table) {
      body.byte();
      limits(body);
    } else throw new MizuError('BYTES_INVALID', 'A WebAssembly module that imports globals or tags is not metered');
  }
}

function limits(body: ByteCursor): void {
  const hasMaximum = body.byte() & 1;
  body.u32();
  if (hasMaximum === 1) body.u32();
}
