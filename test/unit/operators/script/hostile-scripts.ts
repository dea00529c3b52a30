/** Scripts that try to get out, to hang, to fill the memory, or to leave something behind; each with the exact outcome. Asked about `{ n: 1, text: 'a😀' }`. */
import type { Outcome } from '../../../../operators/sandbox/script-outcome.ts';

export interface HostileScript {
  readonly title: string;
  readonly code: string;
  /** `kept` holds what it sets; fields `n` (double), `text` (string), `any` (list of doubles or null) may be set. */
  readonly outcome: Outcome | string;
}

const kept = (fields: Record<string, unknown> = {}): Outcome => ({ kind: 'kept', fields: fields as never });
const steps = 'SCRIPT_STEPS';
const memory = 'SCRIPT_MEMORY';
const depth = 'SCRIPT_DEPTH';
const error = (message: string): string => `SCRIPT_ERROR ${message}`;
const result = (message: string): string => `SCRIPT_RESULT ${message}`;

/** Reads names of what there is, as a text. */
const typesOf = (...names: string[]): string => `() => ({ text: [${names.map((name) => `typeof ${name}`).join(', ')}].join() })`;

const LOOPS: readonly HostileScript[] = [
  { title: 'an endless loop', code: '() => { for (;;); }', outcome: steps },
  { title: 'an endless loop that catches', code: '() => { for (;;) try { for (;;); } catch {} finally { continue } }', outcome: steps },
  { title: 'an endless iterator', code: '() => { for (const x of (function* () { for (;;) yield 1; })()); }', outcome: steps },
  { title: 'a loop inside a built-in', code: '() => Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)', outcome: steps },
  { title: 'a hole of 4 billion', code: '() => new Array(2 ** 32 - 1).includes(0)', outcome: steps },
  { title: 'a quadratic search', code: "() => 'a'.repeat(4e6).indexOf('a'.repeat(2e6) + 'b')", outcome: steps },
  { title: 'a huge product', code: '() => { let x = (1n << 500000n) - 1n; for (;;) (x * x).toString(); }', outcome: steps },
  {
    title: 'a sort that never agrees',
    code: '() => { const a = Array.from({ length: 1e5 }, (_, n) => n); a.sort(() => a.sort()); }',
    outcome: steps,
  },
  { title: 'a proxy that never ends', code: '() => { let p = new Proxy({}, { ownKeys() { for (;;); } }); return p; }', outcome: steps },
  { title: 'a getter that never ends', code: '() => ({ get n() { for (;;); } })', outcome: steps },
  { title: 'copies without end', code: '() => { const a = new Uint8Array(1e7); for (;;) a.copyWithin(1, 0); }', outcome: steps },
  { title: 'a catastrophic pattern', code: "() => /^(a+)+$/.test('a'.repeat(40) + 'b')", outcome: steps },
  { title: 'a catastrophic pattern of alternatives', code: "() => /^(?:a|a|b)*c/.test('ab'.repeat(60))", outcome: steps },
  { title: 'a catastrophic pattern that looks back', code: "() => /(.*)\\1{8}x/.test('ab'.repeat(2000))", outcome: steps },
  { title: 'a catastrophic replacement', code: "() => ('x'.repeat(3e5)).replace(/(x+x+)+y/g, '')", outcome: steps },
];

const MEMORY: readonly HostileScript[] = [
  { title: 'an array that grows', code: '() => { const a = []; for (;;) a.push({}, [], 1); }', outcome: steps },
  { title: 'a text that doubles', code: "() => { let s = 'x'; for (;;) s += s; }", outcome: memory },
  { title: 'a text of many', code: "() => ({ text: 'x'.repeat(2 ** 29) })", outcome: memory },
  {
    title: 'a text that is too long at all',
    code: "() => ({ text: 'x'.repeat(2 ** 31) })",
    outcome: error('RangeError: invalid repeat count'),
  },
  { title: 'a text that is padded', code: "() => ({ text: 'x'.padStart(2 ** 28) })", outcome: memory },
  { title: 'a large typed array', code: '() => new Uint8Array(2 ** 30)', outcome: memory },
  { title: 'many typed arrays', code: '() => { const a = []; for (;;) a.push(new Uint8Array(1e6)); }', outcome: memory },
  { title: 'an array of 4 billion', code: '() => new Array(2 ** 32 - 1).fill(0)', outcome: memory },
  { title: 'a list joined', code: "() => { const a = Array(3e5).fill('x'.repeat(300)); return { text: a.join() }; }", outcome: memory },
  { title: 'JSON that grows', code: "() => { let s = '[]'; for (;;) s = JSON.stringify([s, s]); }", outcome: steps },
  {
    title: 'memory that is caught and kept',
    code: '() => { const a = []; for (;;) try { for (;;) a.push(new Uint8Array(1e6)); } catch {} }',
    outcome: memory,
  },
  { title: 'a map', code: '() => { const m = new Map(); for (let n = 0; ; n++) m.set(n, String(n)); }', outcome: steps },
  { title: 'a number of a million digits', code: '() => 2n ** 10000000n', outcome: error('RangeError: BigInt is too large') },
];

const OUTPUT: readonly HostileScript[] = [
  { title: 'a huge text', code: "() => ({ text: 'x'.repeat(5e6) })", outcome: 'SCRIPT_OUTPUT' },
  { title: 'a huge error', code: "() => { throw new Error('x'.repeat(1e6)) }", outcome: error(`Error: ${'x'.repeat(300)}`) },
  { title: 'a huge measured value', code: "(_, drop) => drop('x'.repeat(5e6), 1)", outcome: 'SCRIPT_OUTPUT' },
  { title: 'a list in itself', code: '() => { const any = []; any.push(any); return { any }; }', outcome: depth },
  {
    title: 'many fields',
    code: '() => Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`f${n}`, n]))',
    outcome: result("field 'f0' is not among the `writes` of the step"),
  },
];

const DEEP: readonly HostileScript[] = [
  { title: 'recursion', code: '() => { const f = (n) => f(n + 1) + 1; f(0); }', outcome: depth },
  { title: 'recursion that catches', code: '() => { const f = () => { try { f(); } catch { f(); } }; f(); }', outcome: depth },
  { title: 'recursion through a built-in', code: '() => { const f = () => [1].map(f); f(); }', outcome: depth },
  { title: 'recursion through a getter', code: '() => { const o = { get x() { return this.x; } }; o.x; }', outcome: depth },
  { title: 'recursion through toString', code: "() => { const o = { toString() { return '' + o; } }; '' + o; }", outcome: depth },
  {
    title: 'recursion through a proxy',
    code: '() => { let p = {}; for (let n = 0; n < 1e4; n++) p = new Proxy(p, {}); p.x; }',
    outcome: depth,
  },
  { title: 'recursion through a pattern', code: "() => { const r = /a/; r.exec = () => r.test('a'); r.test('a'); }", outcome: depth },
  {
    title: 'recursion with enormous frames',
    code: `() => { const f = () => { let ${Array.from({ length: 1500 }, (_, n) => `v${n}`).join()}; return f(); }; f(); }`,
    outcome: depth,
  },
  { title: 'deep JSON', code: "() => JSON.parse('['.repeat(1e5))", outcome: depth },
  { title: 'a deep pattern', code: "() => new RegExp('(?:'.repeat(5000) + ')'.repeat(5000))", outcome: depth },
  {
    title: 'a deep list joined',
    code: '() => { let a = []; for (let n = 0; n < 1e5; n++) a = [a]; return { text: String(a) }; }',
    outcome: depth,
  },
];

const ESCAPES: readonly HostileScript[] = [
  {
    title: 'the clock',
    code: typesOf('Date', 'performance', 'setTimeout', 'setInterval', 'queueMicrotask', 'Temporal'),
    outcome: kept({ text: Array(6).fill('undefined').join() }),
  },
  { title: 'chance', code: typesOf('Math.random', 'crypto'), outcome: kept({ text: 'undefined,undefined' }) },
  {
    title: 'network and files',
    code: typesOf('fetch', 'require', 'process', 'std', 'os', 'XMLHttpRequest', 'WebSocket', 'navigator', 'scriptArgs'),
    outcome: kept({ text: Array(9).fill('undefined').join() }),
  },
  {
    title: 'locale',
    code: typesOf(
      'Intl',
      "''.localeCompare",
      '(1).toLocaleString',
      "''.toLocaleUpperCase",
      '[].toLocaleString',
      '({}).toLocaleString',
      'new Uint8Array(1).toLocaleString',
      '1n.toLocaleString',
    ),
    outcome: kept({ text: Array(8).fill('undefined').join() }),
  },
  {
    title: 'shared and weak memory',
    code: typesOf('SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry', 'gc'),
    outcome: kept({ text: Array(5).fill('undefined').join() }),
  },
  {
    title: 'bits of NaN',
    code: typesOf('Float64Array', 'Float32Array', 'Float16Array', 'DataView'),
    outcome: kept({ text: Array(4).fill('undefined').join() }),
  },
  { title: 'eval', code: typesOf('eval', 'globalThis.eval'), outcome: kept({ text: 'undefined,undefined' }) },
  { title: 'Function', code: "() => Function('return 1')()", outcome: error('EvalError: a script makes no code while it runs') },
  { title: 'new Function', code: "() => new Function('return 1')()", outcome: error('EvalError: a script makes no code while it runs') },
  {
    title: 'the constructor of a function',
    code: "() => (() => {}).constructor('return 1')()",
    outcome: error('EvalError: a script makes no code while it runs'),
  },
  {
    title: 'the constructor of a generator',
    code: "() => (function* () {}).constructor('yield 1')()",
    outcome: error('EvalError: a script makes no code while it runs'),
  },
  {
    title: 'the constructor of an async function',
    code: "() => (async () => {}).constructor('await 1')()",
    outcome: error('EvalError: a script makes no code while it runs'),
  },
  { title: 'a dynamic import', code: "() => import('node:fs')", outcome: result('the result is a Promise: nothing is waited for') },
  {
    title: 'a promise that never ends',
    code: 'async () => { for (;;) await 1; }',
    outcome: result('the result is a Promise: nothing is waited for'),
  },
  {
    title: 'what comes after a promise',
    code: '() => { let n = 1; (async () => { await 1; n = 2; })(); return { n }; }',
    outcome: kept({ n: 1 }),
  },
  {
    title: 'the names of its own globals',
    code: '() => ({ text: Object.getOwnPropertyNames(globalThis).filter((name) => /^(mizu|QTS|print|console)/.test(name)).join() })',
    outcome: kept({ text: '' }),
  },
];

const PROTOTYPES: readonly HostileScript[] = [
  {
    title: 'a poisoned Object.prototype',
    code: '() => { Object.prototype.n = 9; Object.prototype.toJSON = () => 1; return {}; }',
    outcome: kept(),
  },
  {
    title: 'a poisoned setter',
    code: '() => { Object.defineProperty(Object.prototype, "text", { set() { throw 1 } }); return { n: 2 }; }',
    outcome: kept({ n: 2 }),
  },
  {
    title: 'a poisoned Array.prototype',
    code: '() => { Array.prototype.join = Array.prototype.map = () => { throw 1 }; Array.prototype[0] = 7; return { n: 2 }; }',
    outcome: kept({ n: 2 }),
  },
  {
    title: 'a poisoned JSON and String',
    code: '() => { JSON.stringify = String = Object.keys = () => "x"; return { n: 2 }; }',
    outcome: kept({ n: 2 }),
  },
  {
    title: 'a poisoned String.prototype',
    code: '() => { String.prototype.toString = String.prototype.valueOf = () => "y"; return { text: "z" }; }',
    outcome: kept({ text: 'z' }),
  },
  {
    title: '__proto__ as a field',
    code: '() => JSON.parse(\'{"__proto__":{"n":5}}\')',
    outcome: result("field '__proto__' is not among the `writes` of the step"),
  },
  { title: '__proto__ as a prototype', code: '() => ({ __proto__: { n: 5 } })', outcome: result('the result is an object of Object') },
  { title: 'no prototype at all', code: '() => Object.assign(Object.create(null), { n: 5 })', outcome: kept({ n: 5 }) },
  { title: 'an object of a class', code: '() => new (class Cat { n = 1 })()', outcome: result('the result is an object of Cat') },
  { title: 'a Map', code: '() => new Map([["n", 5]])', outcome: result('the result is an object of Map') },
  { title: 'a getter', code: '() => { let n = 0; return { get n() { return ++n; } }; }', outcome: kept({ n: 1 }) },
  { title: 'a getter that throws', code: '() => ({ get n() { throw new TypeError("no") } })', outcome: error('TypeError: no') },
  { title: 'a proxy', code: '() => new Proxy({ n: 1 }, { get: (o, key) => key === "n" ? 4 : o[key] })', outcome: kept({ n: 4 }) },
  {
    title: 'a revoked proxy',
    code: '() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; }',
    outcome: error('TypeError: revoked proxy'),
  },
  { title: 'toJSON', code: '() => ({ n: 3, toJSON() { return { n: 8 }; } })', outcome: result('toJSON is a function') },
  {
    title: 'symbols and hidden properties',
    code: '() => Object.defineProperty({ n: 3, [Symbol.iterator]: 1 }, "text", { value: "x" })',
    outcome: kept({ n: 3 }),
  },
  {
    title: 'a drop that is faked',
    code: '() => ({ measured: 1, limit: 2 })',
    outcome: result("field 'measured' is not among the `writes` of the step"),
  },
];

const THROWN: readonly HostileScript[] = [
  { title: 'an error', code: '(record) => record.missing.length', outcome: error("TypeError: cannot read property 'length' of undefined") },
  { title: 'a text', code: '() => { throw "no\\u0000" }', outcome: error('the script throws "no\\u0000"') },
  { title: 'null', code: '() => { throw null }', outcome: error('the script throws null') },
  { title: 'undefined', code: '() => { throw undefined }', outcome: error('the script throws undefined') },
  { title: 'a symbol', code: '() => { throw Symbol("s") }', outcome: error('the script throws Symbol(s)') },
  { title: 'a BigInt', code: '() => { throw 5n }', outcome: error('the script throws 5') },
  { title: 'an object', code: '() => { throw {} }', outcome: error('the script throws an object') },
  {
    title: 'an object that can not be shown',
    code: '() => { throw { get message() { throw 1 } } }',
    outcome: error('the script throws a value that can not be shown'),
  },
  {
    title: 'a proxy that can not be asked',
    code: '() => { throw new Proxy({}, { has() { throw 1 } }) }',
    outcome: error('the script throws a value that can not be shown'),
  },
  {
    title: 'an error that lies about limits',
    code: '() => { throw { name: "InternalError", message: "interrupted" } }',
    outcome: error('InternalError: interrupted'),
  },
  { title: 'a lone surrogate', code: '() => { throw new Error("\\ud800") }', outcome: error('Error: \ufffd (line 1, column ') },
];

const VALUES: readonly HostileScript[] = [
  { title: 'NaN', code: '() => ({ n: NaN })', outcome: result('n is NaN') },
  { title: 'an infinity', code: '() => ({ n: -1 / 0 })', outcome: result('n is -Infinity') },
  { title: '−0', code: '() => ({ n: -0 })', outcome: kept({ n: 0 }) },
  { title: '−0 in a list', code: '() => ({ any: [-0] })', outcome: kept({ any: [0] }) },
  { title: 'a BigInt', code: '() => ({ n: 2n ** 53n + 1n })', outcome: result('n is a BigInt: give Number(value)') },
  { title: '2^53 + 1', code: '() => ({ n: 9007199254740993 })', outcome: kept({ n: 9007199254740992 }) },
  {
    title: 'a lone surrogate',
    code: '() => ({ text: "\\ud800" })',
    outcome: result("field 'text' holds a lone surrogate and has no UTF-8 form"),
  },
  {
    title: 'half an emoji',
    code: '(record) => ({ text: record.text.slice(0, 2) })',
    outcome: result("field 'text' holds a lone surrogate and has no UTF-8 form"),
  },
  { title: 'NUL and other controls', code: '() => ({ text: "a\\u0000\\u0007\\u2028" })', outcome: kept({ text: 'a\u0000\u0007\u2028' }) },
  { title: 'another type', code: '() => ({ n: "1" })', outcome: result("field 'n' is a text, expected double") },
  { title: 'a hole', code: '() => ({ any: [1, , 2] })', outcome: result('any[1] is undefined') },
  { title: 'undefined, which sets nothing', code: '() => ({ n: undefined, text: "t" })', outcome: kept({ text: 't' }) },
  { title: 'null', code: '() => null', outcome: result('the function gives null') },
  { title: 'a text', code: '() => "keep"', outcome: result('the function gives a text') },
  { title: 'a number', code: '() => 0', outcome: result('the function gives a number') },
  { title: 'a list of records', code: '(record) => [record, record]', outcome: result('the function gives an array') },
  { title: 'a symbol', code: '() => ({ n: Symbol() })', outcome: result('n is a symbol') },
  {
    title: 'a drop without a number',
    code: '(_, drop) => drop(0 / 0)',
    outcome: result('drop() was given a number that is not finite as what was measured'),
  },
  { title: 'a drop by an object', code: '(_, drop) => drop(1, {})', outcome: result('drop() was given a object as the limit') },
];

export const HOSTILE_SCRIPTS: readonly HostileScript[] = [
  ...LOOPS,
  ...MEMORY,
  ...OUTPUT,
  ...DEEP,
  ...ESCAPES,
  ...PROTOTYPES,
  ...THROWN,
  ...VALUES,
];
