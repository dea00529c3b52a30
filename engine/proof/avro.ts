/**
 * Avro binary encoding (Apache Avro 1.12) in one canonical form (law 1): maps sorted by UTF-8 key bytes, one block, shortest varints,
 * one NaN. Reading is strict about what Avro forbids; valid bytes in another form are read, and refused or re-encoded by the caller.
 * Data: map and record = object, fixed and bytes = Uint8Array, [null, T] = null or the bare value, any other union = UnionDatum.
 */
import { MizuError } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import type { AvroSchema } from './avro-schema.ts';
import { branchName, canonicalSchema, parseAvroSchema, schemaFingerprint } from './avro-schema.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { setOwn } from './json-parser.ts';
import { equalBytes } from './sha256.ts';
import { compareUtf8 } from './value-codec.ts';

/** A value as Avro sees it. Longs are numbers within ±2^52 and bigints beyond (numbers up to 2^53 are taken for writing). */
export type Datum =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Datum[]
  | UnionDatum
  | { readonly [key: string]: Datum };

/** A value together with the branch of its union. */
export class UnionDatum {
  readonly branch: number;
  readonly value: Datum;

  constructor(branch: number, value: Datum) {
    this.branch = branch;
    this.value = value;
  }
}

/** Nesting of a datum: recursive schemas have none of their own. */
const DATUM_DEPTH_LIMIT = 128;
/** Items without bytes (null, empty record, fixed of size 0) that an array may claim. */
const EMPTY_ITEMS_LIMIT = 1_000_000;
const INT_LIMIT = 2 ** 31;

export interface AvroType {
  /** Parsing Canonical Form. */
  readonly canonical: string;
  /** CRC-64-AVRO, 8 bytes little-endian. */
  readonly fingerprint: Uint8Array;
  /** Canonical bytes. @throws BYTES_INVALID for a datum that does not fit. */
  encode(datum: Datum): Uint8Array;
  /** The datum of the whole input. `canonical: true` also refuses valid bytes that `encode` would not write. @throws BYTES_INVALID. */
  decode(bytes: Uint8Array, options?: { readonly canonical?: boolean }): Datum;
  /** True if `encode` would write exactly these bytes. */
  isCanonical(bytes: Uint8Array): boolean;
}

interface Codec {
  write(writer: ByteWriter, datum: Datum, depth: number): void;
  read(reader: ByteReader, depth: number): Datum;
}

/** Compiles an Avro schema given as JSON. @throws BYTES_INVALID for a bad schema. */
export function avroType(schemaJson: Json): AvroType {
  const schema = parseAvroSchema(schemaJson);
  const codec = compile(schema, new Map());
  const canonical = canonicalSchema(schema);
  const encode = (datum: Datum): Uint8Array => {
    const writer = new ByteWriter();
    codec.write(writer, datum, 0);
    return writer.take();
  };
  const decode = (bytes: Uint8Array): Datum => {
    const reader = new ByteReader(bytes, true);
    const datum = codec.read(reader, 0);
    if (!reader.done) throw refuse(`${reader.remaining} bytes are left over after the datum`);
    return datum;
  };
  const isCanonical = (bytes: Uint8Array): boolean => {
    try {
      return equalBytes(encode(decode(bytes)), bytes);
    } catch (error) {
      if (error instanceof MizuError && error.code === 'BYTES_INVALID') return false;
      throw error;
    }
  };
  return {
    canonical,
    fingerprint: schemaFingerprint(canonical),
    encode,
    isCanonical,
    decode: (bytes, options) => {
      const datum = decode(bytes);
      if (options?.canonical === true && !equalBytes(encode(datum), bytes)) throw refuse('the bytes are valid but not in canonical form');
      return datum;
    },
  };
}

function refuse(why: string): MizuError {
  return new MizuError('BYTES_INVALID', `Avro: ${why}`);
}

function misfit(schema: AvroSchema, datum: unknown): MizuError {
  const shown = typeof datum === 'object' && datum !== null ? 'an object' : String(datum).slice(0, 40);
  return refuse(`${shown} does not fit the type ${branchName(schema)}`);
}

function compile(schema: AvroSchema, records: Map<AvroSchema, Codec>): Codec {
  switch (schema.kind) {
    case 'array':
      return compileArray(schema.items, compile(schema.items, records));
    case 'map':
      return compileMap(compile(schema.values, records));
    case 'union':
      return compileUnion(
        schema,
        schema.branches.map((branch) => compile(branch, records)),
      );
    case 'record':
      return compileRecord(schema, records);
    case 'enum':
      return compileEnum(schema);
    case 'fixed':
      return {
        write: (writer, datum) => {
          if (!(datum instanceof Uint8Array) || datum.length !== schema.size) throw misfit(schema, datum);
          writer.raw(datum);
        },
        read: (reader) => reader.fixed(schema.size),
      };
    default:
      return compilePrimitive(schema);
  }
}

function compilePrimitive(schema: AvroSchema): Codec {
  const fits = (test: (datum: Datum) => boolean, write: (writer: ByteWriter, datum: Datum) => void): Codec['write'] => {
    return (writer, datum) => {
      if (!test(datum)) throw misfit(schema, datum);
      write(writer, datum);
    };
  };
  switch (schema.kind) {
    case 'null':
      return {
        write: fits(
          (datum) => datum === null,
          () => undefined,
        ),
        read: () => null,
      };
    case 'boolean':
      return {
        write: fits(
          (datum) => typeof datum === 'boolean',
          (writer, datum) => writer.boolean(datum === true),
        ),
        read: (reader) => reader.boolean(),
      };
    case 'int':
      return { write: fits(isInt, (writer, datum) => writer.long(Number(datum))), read: readInt };
    case 'long':
      return { write: fits(isWhole, writeLong), read: (reader) => reader.anyLong() };
    case 'float':
      return {
        write: fits(
          (datum) => typeof datum === 'number',
          (writer, datum) => writer.float(Number(datum)),
        ),
        read: (reader) => reader.float(),
      };
    case 'double':
      return {
        write: fits(
          (datum) => typeof datum === 'number',
          (writer, datum) => writer.double(Number(datum)),
        ),
        read: (reader) => reader.double(),
      };
    case 'bytes':
      return {
        write: (writer, datum) => {
          if (!(datum instanceof Uint8Array)) throw misfit(schema, datum);
          writer.bytes(datum);
        },
        read: (reader) => reader.bytes(),
      };
    default:
      return {
        write: fits(
          (datum) => typeof datum === 'string',
          (writer, datum) => writer.string(String(datum)),
        ),
        read: (reader) => reader.string(),
      };
  }
}

function isInt(datum: Datum): boolean {
  return typeof datum === 'number' && Number.isInteger(datum) && datum >= -INT_LIMIT && datum < INT_LIMIT;
}

function isWhole(datum: Datum): boolean {
  return typeof datum === 'bigint' || (typeof datum === 'number' && Number.isSafeInteger(datum));
}

function writeLong(writer: ByteWriter, datum: Datum): void {
  if (typeof datum === 'bigint') writer.bigLong(datum);
  else writer.long(Number(datum));
}

function readInt(reader: ByteReader): number {
  const value = reader.long();
  if (!isInt(value)) throw refuse(`int ${value} is beyond 32 bits`);
  return value;
}

/** Calls `readItem` for each item of the blocks of an array or map, in any valid form. */
function readBlocks(reader: ByteReader, readItem: () => void): void {
  let without = 0;
  for (;;) {
    let count = reader.long();
    if (count === 0) return;
    let end: number | undefined;
    if (count < 0) {
      count = -count;
      const size = reader.long();
      if (size < 0 || size > reader.remaining) throw refuse(`a block of ${size} bytes does not fit the input`);
      end = reader.position + size;
    }
    for (let n = 0; n < count; n++) {
      const start = reader.position;
      readItem();
      if (reader.position === start && ++without > EMPTY_ITEMS_LIMIT) throw refuse(`more than ${EMPTY_ITEMS_LIMIT} items without bytes`);
    }
    if (end !== undefined && reader.position !== end) throw refuse('a block has another size than it says');
  }
}

function deeper(depth: number): number {
  if (depth >= DATUM_DEPTH_LIMIT) throw refuse(`nested deeper than ${DATUM_DEPTH_LIMIT}`);
  return depth + 1;
}

function compileArray(items: AvroSchema, item: Codec): Codec {
  return {
    write: (writer, datum, depth) => {
      if (!Array.isArray(datum)) throw misfit({ kind: 'array', items }, datum);
      if (datum.length > 0) writer.long(datum.length);
      for (const one of datum as readonly Datum[]) item.write(writer, one, deeper(depth));
      writer.long(0);
    },
    read: (reader, depth) => {
      const list: Datum[] = [];
      const inner = deeper(depth);
      readBlocks(reader, () => list.push(item.read(reader, inner)));
      return list;
    },
  };
}

function isObject(datum: unknown): datum is Readonly<Record<string, Datum>> {
  return (
    typeof datum === 'object' && datum !== null && !Array.isArray(datum) && !(datum instanceof Uint8Array) && !(datum instanceof UnionDatum)
  );
}

function compileMap(value: Codec): Codec {
  return {
    write: (writer, datum, depth) => {
      if (!isObject(datum)) throw refuse('a map is an object');
      const keys = Object.keys(datum).sort(compareUtf8);
      if (keys.length > 0) writer.long(keys.length);
      for (const key of keys) {
        writer.string(key);
        value.write(writer, datum[key] ?? null, deeper(depth));
      }
      writer.long(0);
    },
    read: (reader, depth) => {
      const entries: Record<string, Datum> = {};
      const inner = deeper(depth);
      readBlocks(reader, () => {
        const key = reader.string();
        if (Object.hasOwn(entries, key)) throw refuse(`map key '${key.slice(0, 40)}' stands twice`);
        setOwn(entries, key, value.read(reader, inner));
      });
      return entries;
    },
  };
}

function compileRecord(schema: Extract<AvroSchema, { kind: 'record' }>, records: Map<AvroSchema, Codec>): Codec {
  const known = records.get(schema);
  if (known !== undefined) return known;
  const fields: { name: string; codec: Codec }[] = [];
  const codec: Codec = {
    write: (writer, datum, depth) => {
      if (!isObject(datum)) throw misfit(schema, datum);
      const inner = deeper(depth);
      let found = 0;
      for (const { name, codec: field } of fields) {
        const given = Object.hasOwn(datum, name);
        if (given) found++;
        field.write(writer, (given ? datum[name] : undefined) ?? null, inner);
      }
      if (Object.keys(datum).length !== found) throw refuse(`record ${schema.name} is given fields that it does not have`);
    },
    read: (reader, depth) => {
      const out: Record<string, Datum> = {};
      const inner = deeper(depth);
      for (const { name, codec: field } of fields) setOwn(out, name, field.read(reader, inner));
      return out;
    },
  };
  records.set(schema, codec);
  for (const field of schema.fields) fields.push({ name: field.name, codec: compile(field.type, records) });
  return codec;
}

function compileEnum(schema: Extract<AvroSchema, { kind: 'enum' }>): Codec {
  const indices = new Map(schema.symbols.map((symbol, n) => [symbol, n]));
  return {
    write: (writer, datum) => {
      const index = typeof datum === 'string' ? indices.get(datum) : undefined;
      if (index === undefined) throw misfit(schema, datum);
      writer.long(index);
    },
    read: (reader) => {
      const index = readInt(reader);
      const symbol = schema.symbols[index];
      if (symbol === undefined) throw refuse(`enum ${schema.name} has no symbol ${index}`);
      return symbol;
    },
  };
}

function compileUnion(schema: Extract<AvroSchema, { kind: 'union' }>, branches: readonly Codec[]): Codec {
  const optional = branches.length === 2 && schema.branches.some((branch) => branch.kind === 'null');
  return {
    write: (writer, datum, depth) => {
      const index = datum instanceof UnionDatum ? datum.branch : onlyBranch(schema.branches, datum);
      const branch = branches[index];
      if (branch === undefined) throw refuse(`a union of ${branches.length} has no branch ${index}`);
      writer.long(index);
      branch.write(writer, datum instanceof UnionDatum ? datum.value : datum, deeper(depth));
    },
    read: (reader, depth) => {
      const index = readInt(reader);
      const branch = branches[index];
      if (branch === undefined) throw refuse(`a union of ${branches.length} has no branch ${index}`);
      const value = branch.read(reader, deeper(depth));
      return optional ? value : new UnionDatum(index, value);
    },
  };
}

/** The one branch for a bare value: null, or the other of [null, T]. @throws BYTES_INVALID where a branch must be named. */
function onlyBranch(branches: readonly AvroSchema[], datum: Datum): number {
  const empty = branches.findIndex((branch) => branch.kind === 'null');
  if (datum === null && empty >= 0) return empty;
  if (branches.length === 2 && empty >= 0) return 1 - empty;
  if (branches.length === 1) return 0;
  throw refuse('a union of several types needs a UnionDatum that names the branch');
}
