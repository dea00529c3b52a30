/**
 * What the sandbox executes before the author's script, in QuickJS: it takes away what would let a result depend on a clock, on chance, on a
 * locale, on the bits of NaN or on when memory is collected, and makes the function that turns a record's JSON into an outcome's text.
 * A script may spoil what this code rests on; then its own outcome is wrong or refused, and the next record starts from the same memory
 * as every other. The outcome is untrusted text: `script-values.ts` reads it strictly.
 */

/** First character of an outcome. */
export const OUTCOME = { keep: 'k', drop: 'd', fields: 'f', thrown: 't', refused: 'r', large: 'l' } as const;

/** First character of a text or of bytes (hexadecimal) inside the fields. */
export const TEXT_MARK = 's';
export const BYTES_MARK = 'b';

/** Longest message of a thrown error that leaves the sandbox, UTF-16 units. */
const MESSAGE_UNITS = 300;

/** Absent: the bits of NaN show in float views, memory shared or weakly held has no meaning for one record. */
const ABSENT_GLOBALS = [
  'Date',
  'eval',
  'escape',
  'unescape',
  'Float16Array',
  'Float32Array',
  'Float64Array',
  'DataView',
  'SharedArrayBuffer',
  'Atomics',
  'WeakRef',
  'FinalizationRegistry',
  'Promise',
];

/**
 * An expression: (the author's function, where bytes are in a record as a type tree or null, most UTF-16 units of all texts of an outcome) =>
 * (JSON of a record) => outcome.
 */
export const PRELUDE = `(() => {
'use strict';
const { parse, stringify } = JSON;
const { isArray } = Array;
const { isFinite } = Number;
const { getPrototypeOf, keys, freeze } = Object;
const ObjectPrototype = Object.prototype;
const Bytes = Uint8Array;
const toText = String;
const { apply } = Reflect;
const sliceText = String.prototype.slice;
const hexText = Number.prototype.toString;
const tagOf = Object.getOwnPropertyDescriptor(getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const parseHex = parseInt;
const absent = ${JSON.stringify(ABSENT_GLOBALS)};
for (const name of absent) delete globalThis[name];
delete Math.random;
for (const shape of [Array, String, Number, BigInt, Object, getPrototypeOf(Uint8Array)]) {
  for (const name of ['toLocaleString', 'toLocaleUpperCase', 'toLocaleLowerCase', 'localeCompare']) delete shape.prototype[name];
}
const noFunction = function Function() { throw new EvalError('a script makes no code while it runs'); };
for (const made of [function () {}, async function () {}, function* () {}, async function* () {}]) {
  Object.defineProperty(getPrototypeOf(made), 'constructor', { value: noFunction });
}
noFunction.prototype = globalThis.Function.prototype;
globalThis.Function = noFunction;

const Refusal = class {
  constructor(text) { this.text = text; }
};
const refuse = (text) => { throw new Refusal(text); };
const tooLarge = new Refusal('');
let room = 0;
const take = (text) => {
  room -= text.length;
  if (room < 0) throw tooLarge;
  return text;
};

const bytesFrom = (hex) => {
  const bytes = new Bytes(hex.length / 2);
  for (let n = 0; n < bytes.length; n++) bytes[n] = parseHex(apply(sliceText, hex, [2 * n, 2 * n + 2]), 16);
  return bytes;
};
const revive = (value, type) => {
  if (value === null || type === null) return value;
  if (type === 'bytes') return bytesFrom(value);
  if (type.optional) return revive(value, type.optional);
  if (type.array) {
    for (let n = 0; n < value.length; n++) value[n] = revive(value[n], type.array);
  } else if (type.map) {
    for (const name of keys(value)) value[name] = revive(value[name], type.map);
  } else {
    for (const name of keys(type.record)) value[name] = revive(value[name], type.record[name]);
  }
  return value;
};

const encode = (value, path) => {
  switch (typeof value) {
    case 'string': return stringify('${TEXT_MARK}' + take(value));
    case 'number': return isFinite(value) ? '' + value : refuse(path + ' is ' + value);
    case 'boolean': return value ? 'true' : 'false';
    case 'object': return value === null ? 'null' : encodeObject(value, path);
    case 'undefined': return refuse(path + ' is undefined');
    case 'bigint': return refuse(path + ' is a BigInt: give Number(value)');
    default: return refuse(path + ' is a ' + typeof value);
  }
};
const encodeObject = (value, path) => {
  if (isArray(value)) {
    let text = '[';
    const { length } = value;
    for (let n = 0; n < length; n++) text += (n === 0 ? '' : ',') + encode(value[n], path + '[' + n + ']');
    return text + ']';
  }
  if (apply(tagOf, value, []) === 'Uint8Array') {
    let hex = '';
    for (let n = 0; n < value.length; n++) hex += (value[n] < 16 ? '0' : '') + apply(hexText, value[n], [16]);
    return '"${BYTES_MARK}' + hex + '"';
  }
  return encodeFields(value, path);
};
const encodeFields = (value, path) => {
  const prototype = getPrototypeOf(value);
  if (prototype !== ObjectPrototype && prototype !== null) refuse((path === '' ? 'the result' : path) + ' is ' + article(prototype));
  let text = '';
  for (const name of keys(value)) {
    const inner = value[name];
    if (inner === undefined && path === '') continue;
    text += (text === '' ? '{' : ',') + stringify(name) + ':' + encode(inner, path === '' ? name : path + '.' + name);
  }
  return (text === '' ? '{' : text) + '}';
};
const article = (prototype) => {
  let name = 'class';
  try { name = toText(prototype.constructor.name); } catch {}
  return name === 'Promise' ? 'a Promise: nothing is waited for' : 'an object of ' + apply(sliceText, name, [0, 40]);
};

const cut = (text) => apply(sliceText, text, [0, ${MESSAGE_UNITS}]);
const describe = (error) => {
  try {
    if (typeof error === 'object' && error !== null && 'message' in error) {
      return [cut(toText(error.name)) + ': ' + cut(toText(error.message)), cut(toText(error.stack))];
    }
    return ['the script throws ' + (typeof error === 'string' ? cut(stringify(error)) : typeof error === 'object' && error !== null ? 'an object' : cut(toText(error))), ''];
  } catch {
    return ['the script throws a value that can not be shown', ''];
  }
};

return (user, bytesType, units) => {
  if (typeof user !== 'function') return undefined;
  let dropped;
  const drop = (measured, limit) => {
    dropped = freeze({ measured, limit });
    return dropped;
  };
  const reason = (value, what) => {
    if (value === undefined) return null;
    if (typeof value === 'string') return take(value);
    if (typeof value === 'number' && isFinite(value)) return value;
    if (typeof value === 'boolean') return toText(value);
    return refuse('drop() was given ' + (value === null ? 'null' : 'a ' + typeof value + (typeof value === 'number' ? ' that is not finite' : '')) + ' as ' + what);
  };
  const outcome = (result) => {
    if (result === undefined || result === true) return '${OUTCOME.keep}';
    if (result === false) return '${OUTCOME.drop}[null,null]';
    if (result !== null && typeof result === 'object') {
      if (result === dropped) return '${OUTCOME.drop}' + stringify([reason(dropped.measured, 'what was measured'), reason(dropped.limit, 'the limit')]);
      if (!isArray(result)) return '${OUTCOME.fields}' + encodeFields(result, '');
    }
    const what = result === null ? 'null' : isArray(result) ? 'an array' : typeof result === 'string' ? 'a text' : 'a ' + typeof result;
    return refuse('the function gives ' + what);
  };
  return (json) => {
    let result;
    try {
      const record = parse(json);
      if (bytesType !== null) revive(record, bytesType);
      result = user(record, drop);
    } catch (error) {
      return '${OUTCOME.thrown}' + stringify(describe(error));
    }
    try {
      room = units;
      return outcome(result);
    } catch (error) {
      if (error === tooLarge) return '${OUTCOME.large}';
      return error instanceof Refusal ? '${OUTCOME.refused}' + stringify(cut(error.text)) : '${OUTCOME.thrown}' + stringify(describe(error));
    }
  };
};
})()`;
