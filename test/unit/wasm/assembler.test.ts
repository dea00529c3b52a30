import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FunctionAssembler, ModuleAssembler, WASM_PAGE_BYTES, type WasmInstance, wasm } from '#kernel';

const { block, i32, i32x4, i8x16, loop, select, v128, when } = wasm;

function assembled(define: (module: ModuleAssembler) => void): WasmInstance {
  const module = new ModuleAssembler({ initial: 1, maximum: 2 });
  define(module);
  return module.instantiate();
}

/** A module with one function. */
function single(define: (f: FunctionAssembler) => void): WasmInstance {
  return assembled((module) => define(module.function('run', 'i32')));
}

const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const lanes = fc.uint8Array({ minLength: 16, maxLength: 16 });

describe('numbers', () => {
  const OPERATIONS: Readonly<Record<string, readonly [(a: wasm.Code, b: wasm.Code) => wasm.Code, (a: number, b: number) => number]>> = {
    add: [i32.add, (a, b) => (a + b) | 0],
    sub: [i32.sub, (a, b) => (a - b) | 0],
    mul: [i32.mul, Math.imul],
    and: [i32.and, (a, b) => a & b],
    or: [i32.or, (a, b) => a | b],
    xor: [i32.xor, (a, b) => a ^ b],
    shl: [i32.shl, (a, b) => a << b],
    shr_s: [i32.shr_s, (a, b) => a >> b],
    shr_u: [i32.shr_u, (a, b) => (a >>> b) | 0],
    rotl: [i32.rotl, (a, b) => (a << b) | (a >>> -b)],
    rotr: [i32.rotr, (a, b) => (a >>> b) | (a << -b)],
    eq: [i32.eq, (a, b) => Number(a === b)],
    ne: [i32.ne, (a, b) => Number(a !== b)],
    lt_s: [i32.lt_s, (a, b) => Number(a < b)],
    lt_u: [i32.lt_u, (a, b) => Number(a >>> 0 < b >>> 0)],
    gt_s: [i32.gt_s, (a, b) => Number(a > b)],
    gt_u: [i32.gt_u, (a, b) => Number(a >>> 0 > b >>> 0)],
    le_s: [i32.le_s, (a, b) => Number(a <= b)],
    le_u: [i32.le_u, (a, b) => Number(a >>> 0 <= b >>> 0)],
    ge_s: [i32.ge_s, (a, b) => Number(a >= b)],
    ge_u: [i32.ge_u, (a, b) => Number(a >>> 0 >= b >>> 0)],
    select: [(a, b) => select(a, b, i32.lt_s(a, b)), Math.min],
    eqz: [(a, b) => i32.eqz(i32.and(a, b)), (a, b) => Number((a & b) === 0)],
    clz: [(a) => i32.clz(a), Math.clz32],
    ctz: [(a) => i32.ctz(a), (a) => (a === 0 ? 32 : 31 - Math.clz32(a & -a))],
    popcnt: [(a) => i32.popcnt(a), (a) => (a >>> 0).toString(2).replaceAll('0', '').length],
  };
  const machine = assembled((module) => {
    for (const [name, [code]] of Object.entries(OPERATIONS)) {
      const f = module.function(name, 'i32');
      const [a, b] = [f.param('i32'), f.param('i32')];
      f.body(code(a.get, b.get));
    }
  });

  it.each(Object.entries(OPERATIONS))('%s is what JavaScript computes of the same bits', (name, [, law]) => {
    const run = machine.function(name);
    fc.assert(fc.property(int, fc.oneof(int, fc.integer({ min: 0, max: 40 })), (a, b) => void expect(run(a, b)).toBe(law(a, b))));
    fc.assert(fc.property(int, (a) => void expect(run(a, a)).toBe(law(a, a))));
  });

  it('constants are what was written, whatever their length', () => {
    const constants = [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, -8193, 0x7fffffff, -0x80000000, 0xdeadbeef];
    const given = constants.map((value) => single((f) => f.body(i32.const(value))).function('run')());
    expect(given).toEqual(constants.map((value) => value | 0));
  });
});

describe('control', () => {
  it('branches go to the label they name, from whatever depth', () => {
    // The sum of the odd numbers below n, ended by the first above 100.
    const run = single((f) => {
      const n = f.param('i32');
      const [i, sum] = [f.local('i32'), f.local('i32')];
      f.body(
        block((leave) =>
          loop((again) => [
            leave.brIf(i32.ge_u(i.get, n.get)),
            when(
              i32.and(i.get, i32.const(1)),
              [when(i32.gt_u(i.get, i32.const(100)), leave.br()), sum.set(i32.add(sum.get, i.get))],
              sum.set(sum.get),
            ),
            i.set(i32.add(i.get, i32.const(1))),
            again.br(),
          ]),
        ),
        sum.get,
      );
    }).function('run');
    expect([0, 1, 2, 10, 101, 5000].map((n) => run(n))).toEqual([0, 0, 1, 25, 2500, 2500]);
  });

  it('a function calls another, and itself', () => {
    const machine = assembled((module) => {
      const double = module.function('double', 'i32');
      const n = double.param('i32');
      double.body(i32.mul(n.get, i32.const(2)));
      const power = module.function('power', 'i32');
      const [exponent, result] = [power.param('i32'), power.local('i32')];
      const previous = power.call(i32.sub(exponent.get, i32.const(1)));
      power.body(when(exponent.get, result.set(double.call(previous)), result.set(i32.const(1))), result.get);
    });
    expect([0, 1, 10, 31].map((n) => machine.function('power')(n))).toEqual([1, 2, 1024, -(2 ** 31)]);
  });

  it('a module that uses its stack wrongly is refused', () => {
    const module = new ModuleAssembler({ initial: 1, maximum: 1 });
    module.function('run', 'i32').body(i32.add(i32.const(1), []));
    expect(() => module.instantiate()).toThrow(expect.objectContaining({ name: 'CompileError' }));
  });

  it('a parameter after a variable, and a function that is not there, are refused by name', () => {
    const f = new ModuleAssembler({ initial: 1, maximum: 1 }).function('late');
    f.local('i32');
    expect(() => f.param('i32')).toThrow('late');
    expect(() => single((one) => one.body(i32.const(1))).function('absent')).toThrow('absent');
  });
});

describe('memory', () => {
  it('has the pages that were asked for, and no more than the maximum', () => {
    const { memory } = single((f) => f.body(i32.const(0)));
    expect(memory.buffer.byteLength).toBe(WASM_PAGE_BYTES);
    memory.grow(1);
    expect(() => memory.grow(1)).toThrow(RangeError);
  });

  it('is read and written at any address, little-endian', () => {
    const machine = assembled((module) => {
      const f = module.function('run', 'i32');
      const [at, value] = [f.param('i32'), f.param('i32')];
      f.body(
        i32.store(at.get, value.get, 300),
        i32.store16(at.get, i32.load(at.get, 300), 4),
        i32.store8(at.get, i32.load16_u(at.get, 300), 6),
        i32.load8_u(at.get, 303),
      );
    });
    fc.assert(
      fc.property(fc.nat({ max: 1000 }), int, (at, value) => {
        const view = new DataView(machine.memory.buffer);
        expect(machine.function('run')(at, value)).toBe(value >>> 24);
        expect(view.getInt32(at + 300, true)).toBe(value);
        expect(view.getUint16(at + 4, true)).toBe(value & 0xffff);
        expect(view.getUint8(at + 6)).toBe(value & 0xff);
      }),
    );
  });
});

describe('vectors', () => {
  const bytewise = (law: (a: number, b: number) => number) => (a: Uint8Array, b: Uint8Array) => a.map((byte, n) => law(byte, b[n] ?? 0));
  const words = (law: (a: number, b: number) => number) => (a: Uint8Array, b: Uint8Array) => {
    const [left, right] = [new Int32Array(a.slice().buffer), new Int32Array(b.slice().buffer)];
    return new Uint8Array(left.map((word, n) => law(word, right[n] ?? 0)).buffer);
  };
  const signed = (byte: number): number => (byte << 24) >> 24;
  const mask = (holds: boolean): number => (holds ? 255 : 0);
  const order = [31, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 5, 5, 9, 30];
  const fixed = Array.from({ length: 16 }, (_, n) => 17 * n);
  type Law = (a: Uint8Array, b: Uint8Array) => Uint8Array;
  const OPERATIONS: Readonly<Record<string, readonly [(a: wasm.Code, b: wasm.Code) => wasm.Code, Law]>> = {
    'v128.and': [v128.and, bytewise((a, b) => a & b)],
    'v128.andnot': [v128.andnot, bytewise((a, b) => a & ~b)],
    'v128.or': [v128.or, bytewise((a, b) => a | b)],
    'v128.xor': [v128.xor, bytewise((a, b) => a ^ b)],
    'v128.not': [(a) => v128.not(a), bytewise((a) => ~a)],
    'v128.const': [(a) => v128.xor(a, v128.const(fixed)), (a) => a.map((byte, n) => byte ^ (fixed[n] ?? 0))],
    'v128.bitselect': [
      (a, b) => v128.bitselect(a, b, v128.const(fixed)),
      (a, b) => a.map((byte, n) => (byte & (17 * n)) | ((b[n] ?? 0) & ~(17 * n))),
    ],
    'i8x16.add': [i8x16.add, bytewise((a, b) => a + b)],
    'i8x16.sub': [i8x16.sub, bytewise((a, b) => a - b)],
    'i8x16.eq': [i8x16.eq, bytewise((a, b) => mask(a === b))],
    'i8x16.ne': [i8x16.ne, bytewise((a, b) => mask(a !== b))],
    'i8x16.lt_s': [i8x16.lt_s, bytewise((a, b) => mask(signed(a) < signed(b)))],
    'i8x16.gt_s': [i8x16.gt_s, bytewise((a, b) => mask(signed(a) > signed(b)))],
    'i8x16.lt_u': [i8x16.lt_u, bytewise((a, b) => mask(a < b))],
    'i8x16.gt_u': [i8x16.gt_u, bytewise((a, b) => mask(a > b))],
    'i8x16.le_u': [i8x16.le_u, bytewise((a, b) => mask(a <= b))],
    'i8x16.ge_u': [i8x16.ge_u, bytewise((a, b) => mask(a >= b))],
    'i8x16.shuffle': [(a, b) => i8x16.shuffle(a, b, order), (a, b) => a.map((_, n) => [...a, ...b][order[n] ?? 0] ?? 0)],
    'i8x16.swizzle': [i8x16.swizzle, (a, b) => b.map((place) => a[place] ?? 0)],
    'i8x16.splat': [(a) => i8x16.splat(i32x4.extract_lane(a, 0)), (a) => a.map(() => a[0] ?? 0)],
    'i32x4.add': [i32x4.add, words((a, b) => a + b)],
    'i32x4.shl': [(a) => i32x4.shl(a, i32.const(7)), words((a) => a << 7)],
    'i32x4.shr_u': [(a) => i32x4.shr_u(a, i32.const(7)), words((a) => a >>> 7)],
    'i32x4.splat': [
      (a) => i32x4.splat(i32x4.extract_lane(a, 2)),
      (a) => Uint8Array.from([1, 2, 3, 4].flatMap(() => [...a.subarray(8, 12)])),
    ],
    'i32x4.replace_lane': [
      (a) => i32x4.replace_lane(a, i32.const(0x04030201), 3),
      (a) => Uint8Array.from([...a.subarray(0, 12), 1, 2, 3, 4]),
    ],
  };
  const machine = assembled((module) => {
    for (const [name, [code]] of Object.entries(OPERATIONS)) {
      const f = module.function(name);
      const [a, b] = [f.local('v128'), f.local('v128')];
      f.body(a.set(v128.load(i32.const(0))), b.set(v128.load(i32.const(0), 16)), v128.store(i32.const(32), code(a.get, b.get)));
    }
    const questions = { any: v128.any_true, all: i8x16.all_true, bits: i8x16.bitmask };
    for (const [name, code] of Object.entries(questions)) module.function(name, 'i32').body(code(v128.load(i32.const(0))));
  });
  const bytes = new Uint8Array(machine.memory.buffer);

  it.each(Object.entries(OPERATIONS))('%s is what JavaScript computes of the same lanes', (name, [, law]) => {
    const run = machine.function(name);
    const near = fc.tuple(
      lanes,
      lanes.map((places) => places.map((place) => place % 20)),
    );
    fc.assert(
      fc.property(fc.oneof(fc.tuple(lanes, lanes), near), ([a, b]) => {
        bytes.set(a, 0);
        bytes.set(b, 16);
        run();
        expect(bytes.slice(32, 48)).toEqual(Uint8Array.from(law(a, b)));
      }),
    );
  });

  it('say whether any bit is set, whether every byte is some, and which bytes have the top bit', () => {
    const sparse = fc.uint8Array({ minLength: 16, maxLength: 16, max: 1 });
    fc.assert(
      fc.property(fc.oneof(lanes, sparse, fc.constant(new Uint8Array(16))), (a) => {
        bytes.set(a, 0);
        expect(machine.function('any')()).toBe(Number(a.some((byte) => byte !== 0)));
        expect(machine.function('all')()).toBe(Number(a.every((byte) => byte !== 0)));
        expect(machine.function('bits')()).toBe(a.reduce((bits, byte, n) => bits | ((byte >> 7) << n), 0));
      }),
    );
  });
});
