/** A metered module counts its own work, traps where it has none left, gives depth back, and says the same as before. What is not counted is refused. */
import { describe, expect, it } from 'vitest';
import { DEPTH_LEFT, meterWasm, STEPS_LEFT } from '../../../../operators/sandbox/meter-wasm.ts';

const I32 = 0x7f;
const END = 0x0b;
const LOCAL_GET = 0x20;
const CALL = 0x10;

const list = (...items: readonly (readonly number[])[]): number[] => [items.length, ...items.flat()];
const section = (id: number, body: readonly number[]): number[] => [id, body.length, ...body];
const body = (...code: number[]): number[] => [code.length + 2, 0, ...code, END];
const text = (name: string): number[] => [name.length, ...Buffer.from(name)];

/** A module of functions i32 → i32, exported as f0, f1, …, with a page of memory and one global. */
function moduleOf(...functions: readonly (readonly number[])[]): Uint8Array {
  const exported = functions.map((_, n) => [...text(`f${n}`), 0, n]);
  return Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list([0x60, 1, I32, 1, I32])),
    ...section(3, list(...functions.map(() => [0]))),
    ...section(5, list([0, 1])),
    ...section(6, list([I32, 1, 0x41, 7, END])),
    ...section(7, list(...exported)),
    ...section(10, list(...functions)),
  );
}

/** loop { if --n > 0 continue }; n */
const LOOP = body(0x03, 0x40, LOCAL_GET, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, END, LOCAL_GET, 0);
/** if n { return f1(n − 1) + 1 }; 0 */
const RECURSION = body(LOCAL_GET, 0, 0x04, 0x40, LOCAL_GET, 0, 0x41, 1, 0x6b, CALL, 1, 0x41, 1, 0x6a, 0x0f, END, 0x41, 0);
/** memory.fill(0, 1, n); n */
const FILL = body(0x41, 0, 0x41, 1, LOCAL_GET, 0, 0xfc, 11, 0, LOCAL_GET, 0);

function metered(...functions: readonly (readonly number[])[]) {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(meterWasm(moduleOf(...functions))), {});
  const counter = (name: string): WebAssembly.Global => {
    const global = exports[name];
    if (!(global instanceof WebAssembly.Global)) throw new TypeError(`no ${name}`);
    return global;
  };
  const [steps, depth] = [counter(STEPS_LEFT), counter(DEPTH_LEFT)];
  return (index: number, argument: number, allowed: readonly [steps: number, depth: number]) => {
    [steps.value, depth.value] = allowed;
    const call = exports[`f${index}`];
    if (typeof call !== 'function') throw new TypeError(`no f${index}`);
    try {
      return { result: Number(call(argument)), steps: Number(steps.value), depth: Number(depth.value) };
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      return { result: 'trap', steps: Number(steps.value), depth: Number(depth.value) };
    }
  };
}

describe('a metered module', () => {
  const run = metered(LOOP, RECURSION, FILL);

  it('takes a step for each turn of a loop, and traps when none is left', () => {
    expect(run(0, 10, [10, 0])).toEqual({ result: 0, steps: 0, depth: 0 });
    expect(run(0, 11, [10, 0])).toEqual({ result: 'trap', steps: -1, depth: 0 });
    // 0 − 1 is not zero: without a meter this loop turns 2^32 times.
    expect(run(0, 0, [1000, 0])).toEqual({ result: 'trap', steps: -1, depth: 0 });
  });

  it('takes a step and a level for each call, and gives the level back where a function returns', () => {
    expect(run(1, 5, [100, 6])).toEqual({ result: 5, steps: 94, depth: 6 });
    expect(run(1, 5, [100, 5])).toEqual({ result: 'trap', steps: 94, depth: -1 });
    expect(run(1, 5, [5, 100])).toMatchObject({ result: 'trap', steps: -1 });
  });

  it('takes a step for 64 bytes that an instruction moves, before it moves them', () => {
    expect(run(2, 6400, [100, 0])).toEqual({ result: 6400, steps: 0, depth: 0 });
    expect(run(2, 6464, [100, 0])).toEqual({ result: 'trap', steps: -1, depth: 0 });
    expect(run(2, -1, [100, 0])).toMatchObject({ result: 'trap' });
  });

  it('shows its own globals, so that they can be put back', () => {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(meterWasm(moduleOf(LOOP))), {});
    expect(exports['global0']).toMatchObject({ value: 7 });
  });
});

describe('what can not be counted is refused', () => {
  it.each([
    ['a vector', body(0xfd, 0x0c), '0xfd is not metered'],
    ['a thread', body(0xfe, 0x03, 0), '0xfe is not metered'],
    ['a tail call', body(LOCAL_GET, 0, 0x12, 0), '0x12 is not metered'],
    ['a copy of a table', body(0xfc, 14, 0, 0), '0xfc 14 is not metered'],
    ['an exception', body(0x06, 0x40), '0x6 is not metered'],
  ])('%s', (_title, code, message) => {
    expect(() => meterWasm(moduleOf(code))).toThrow(message);
  });

  it('a module that is cut short', () => {
    const whole = moduleOf(LOOP, RECURSION);
    for (let length = 0; length < whole.length; length++) {
      expect(() => meterWasm(whole.subarray(0, length)), String(length)).toThrow(/cut short|without section|not metered|no function/);
    }
  });
});
