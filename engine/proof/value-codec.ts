/**
 * Canonical Avro of field values: one form for each value (law 1). Maps are one block sorted by UTF-8 key bytes, arrays one block,
 * an optional is the union [null, T]. Decoding refuses every other form. Type by type as in contract/types.ts.
 */
import { MizuError } from '../contract/errors.ts';
import type { FieldType, Schema, Value } from '../contract/types.ts';
import { describeType, LONG_LIMIT } from '../contract/types.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { setOwn } from './json-parser.ts';

export interface ValueCodec {
  /** @throws BYTES_INVALID, naming the place inside the value, for a value that does not fit the type. */
  encode(writer: ByteWriter, value: Value): void;
  /** Records and maps become plain objects, record fields in order of the schema. @throws BYTES_INVALID for other than canonical bytes. */
  decode(reader: ByteReader): Value;
}

const cache = new WeakMap<object, ValueCodec>();

/** The codec of a type; made once per type object. */
export function valueCodec(type: FieldType): ValueCodec {
  if (typeof type === 'string') return PRIMITIVES[type];
  let codec = cache.get(type);
  if (codec === undefined) {
    codec = compile(type);
    cache.set(type, codec);
  }
  return codec;
}

/** The codec of whole records. */
export function recordCodec(schema: Schema): ValueCodec {
  let codec = cache.get(schema);
  if (codec === undefined) {
    codec = compileRecord(schema);
    cache.set(schema, codec);
  }
  return codec;
}

function compile(type: Exclude<FieldType, string>): ValueCodec {
  if ('array' in type) return compileArray(type.array);
  if ('map' in type) return compileMap(type.map);
  if ('optional' in type) return compileOptional(type.optional);
  return recordCodec(type.record);
}

function misfit(type: FieldType, value: unknown, why = ''): MizuError {
  return new MizuError('BYTES_INVALID', `Value ${shown(value)} does not fit the type ${describeType(type)}${why}`);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 40)}'`;
  if (value instanceof Uint8Array) return 'of bytes';
  if (Array.isArray(value)) return 'of a list';
  return typeof value === 'object' && value !== null ? 'of an object' : String(value);
}

const PRIMITIVES: Readonly<Record<'string' | 'long' | 'double' | 'boolean' | 'bytes', ValueCodec>> = {
  string: {
    encode: (writer, value) => {
      if (typeof value !== 'string') throw misfit('string', value);
      writer.string(value);
    },
    decode: (reader) => reader.string(),
  },
  long: {
    encode: (writer, value) => {
      if (typeof value !== 'number' || !Number.isInteger(value)) throw misfit('long', value);
      if (Math.abs(value) > LONG_LIMIT) throw misfit('long', value, ': beyond ±2^52');
      writer.long(value);
    },
    decode: (reader) => reader.long(),
  },
  double: {
    encode: (writer, value) => {
      if (typeof value !== 'number') throw misfit('double', value);
      writer.double(value);
    },
    decode: (reader) => reader.double(),
  },
  boolean: {
    encode: (writer, value) => {
      if (typeof value !== 'boolean') throw misfit('boolean', value);
      writer.boolean(value);
    },
    decode: (reader) => reader.boolean(),
  },
  bytes: {
    encode: (writer, value) => {
      if (!(value instanceof Uint8Array)) throw misfit('bytes', value);
      writer.bytes(value);
    },
    decode: (reader) => reader.bytes(),
  },
};

/** Item count of the one block that a canonical array or map has; 0 for an empty one. */
function blockCount(reader: ByteReader): number {
  const count = reader.long();
  if (count < 0) throw new MizuError('BYTES_INVALID', 'A list or map is in blocks with byte sizes, a form that is never written');
  return count;
}

function endOfBlocks(reader: ByteReader): void {
  if (reader.long() !== 0) throw new MizuError('BYTES_INVALID', 'A list or map is in several blocks, a form that is never written');
}

function compileArray(itemType: FieldType): ValueCodec {
  const item = valueCodec(itemType);
  return {
    encode: (writer, value) => {
      if (!Array.isArray(value)) throw misfit({ array: itemType }, value);
      if (value.length > 0) writer.long(value.length);
      let n = 0;
      try {
        for (; n < value.length; n++) item.encode(writer, value[n]);
      } catch (error) {
        throw placed(`[${n}]`, error);
      }
      writer.long(0);
    },
    decode: (reader) => {
      const items: Value[] = [];
      const count = blockCount(reader);
      if (count === 0) return items;
      // An item may have no bytes (a record without fields), so the count alone must not be trusted.
      for (let n = 0; n < count; n++) {
        const start = reader.position;
        items.push(item.decode(reader));
        if (reader.position === start && count > EMPTY_ITEMS_LIMIT)
          throw new MizuError('BYTES_INVALID', `A list claims ${count} items without bytes`);
      }
      endOfBlocks(reader);
      return items;
    },
  };
}

/** Most items without bytes (records without fields) that a list may have. */
const EMPTY_ITEMS_LIMIT = 1_000_000;

function compileMap(valueType: FieldType): ValueCodec {
  const inner = valueCodec(valueType);
  return {
    encode: (writer, value) => {
      if (!isObject(value)) throw misfit({ map: valueType }, value);
      const keys = Object.keys(value).sort(compareUtf8);
      if (keys.length > 0) writer.long(keys.length);
      for (const key of keys) {
        writer.string(key);
        try {
          inner.encode(writer, value[key] ?? null);
        } catch (error) {
          throw placed(`.${key}`, error);
        }
      }
      writer.long(0);
    },
    decode: (reader) => {
      const entries: Record<string, Value> = {};
      const count = blockCount(reader);
      let last: string | undefined;
      for (let n = 0; n < count; n++) {
        const key = reader.string();
        if (last !== undefined && compareUtf8(last, key) >= 0) {
          throw new MizuError('BYTES_INVALID', `Map keys '${last.slice(0, 40)}', '${key.slice(0, 40)}' are not in order of their bytes`);
        }
        last = key;
        setOwn(entries, key, inner.decode(reader));
      }
      if (count > 0) endOfBlocks(reader);
      return entries;
    },
  };
}

function compileOptional(innerType: FieldType): ValueCodec {
  const inner = valueCodec(innerType);
  return {
    encode: (writer, value) => {
      if (value === null) writer.long(0);
      else {
        writer.long(1);
        inner.encode(writer, value);
      }
    },
    decode: (reader) => {
      const branch = reader.long();
      if (branch !== 0 && branch !== 1) throw new MizuError('BYTES_INVALID', `Union branch ${branch} does not exist`);
      return branch === 0 ? null : inner.decode(reader);
    },
  };
}

function compileRecord(schema: Schema): ValueCodec {
  const fields = schema.map((field) => ({ name: field.name, codec: valueCodec(field.type) }));
  const known = new Set(schema.map((field) => field.name));
  return {
    encode: (writer, value) => {
      if (!isObject(value)) throw misfit({ record: schema }, value);
      for (const key of Object.keys(value)) {
        if (!known.has(key)) throw new MizuError('BYTES_INVALID', `Value at .${key}: the record has no such field`);
      }
      for (const { name, codec } of fields) {
        try {
          codec.encode(writer, Object.hasOwn(value, name) ? (value[name] ?? null) : null);
        } catch (error) {
          throw placed(`.${name}`, error);
        }
      }
    },
    decode: (reader) => {
      const out: Record<string, Value> = {};
      for (const { name, codec } of fields) setOwn(out, name, codec.decode(reader));
      return out;
    },
  };
}

function isObject(value: unknown): value is Readonly<Record<string, Value>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** The error with the place added to its message. */
function placed(place: string, error: unknown): unknown {
  if (!(error instanceof MizuError) || error.code !== 'BYTES_INVALID') return error;
  const inner = /^Value at (\S+): (.*)$/s.exec(error.message);
  return new MizuError('BYTES_INVALID', `Value at ${place}${inner?.[1] ?? ''}: ${inner?.[2] ?? error.message}`, { cause: error });
}

/**
 * Order of two texts by their UTF-8 bytes, which is the order by code points. UTF-16 units alone put surrogate pairs
 * (U+10000 on) before U+E000 … U+FFFF, so the first unit that differs is mapped to where its code point belongs.
 */
export function compareUtf8(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let n = 0; n < shorter; n++) {
    const x = a.charCodeAt(n);
    const y = b.charCodeAt(n);
    if (x !== y) return codePointRank(x) - codePointRank(y);
  }
  return a.length - b.length;
}

function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
