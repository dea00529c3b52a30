/**
 * Avro schemas (Apache Avro 1.12, "Schema Declaration"): reading with all names resolved, the Parsing Canonical Form, and the
 * CRC-64-AVRO fingerprint. What has no effect on bytes (doc, aliases, order, logical types) is left behind, but for the defaults of fields.
 */
import { MizuError } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import { utf8 } from './sha256.ts';

const PRIMITIVE_NAMES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const;
export type AvroPrimitive = (typeof PRIMITIVE_NAMES)[number];

export type AvroSchema =
  | { readonly kind: AvroPrimitive }
  | { readonly kind: 'array'; readonly items: AvroSchema }
  | { readonly kind: 'map'; readonly values: AvroSchema }
  | { readonly kind: 'union'; readonly branches: readonly AvroSchema[] }
  | { readonly kind: 'fixed'; readonly name: string; readonly size: number }
  | { readonly kind: 'enum'; readonly name: string; readonly symbols: readonly string[] }
  | AvroRecord;

export interface AvroRecord {
  readonly kind: 'record';
  readonly name: string;
  /** Filled once the fields are read, as a record may hold itself. */
  readonly fields: AvroField[];
}

export interface AvroField {
  readonly name: string;
  readonly type: AvroSchema;
  /** What readers take for records that were written without the field. */
  readonly default?: Json;
}

/** Nesting of a schema's own text. */
const SCHEMA_DEPTH_LIMIT = 64;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const FULL_NAME = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$/;

function refuse(why: string): MizuError {
  return new MizuError('BYTES_INVALID', `Avro schema: ${why}`);
}

/** Reads a schema. @throws BYTES_INVALID for unknown types and names, doubled names, and unions that Avro forbids. */
export function parseAvroSchema(json: Json): AvroSchema {
  return new SchemaReader().read(json, '', 0);
}

function isPrimitive(name: string): name is AvroPrimitive {
  return (PRIMITIVE_NAMES as readonly string[]).includes(name);
}

class SchemaReader {
  private readonly named = new Map<string, AvroSchema>();

  read(json: Json, namespace: string, depth: number): AvroSchema {
    if (depth > SCHEMA_DEPTH_LIMIT) throw refuse(`nested deeper than ${SCHEMA_DEPTH_LIMIT}`);
    if (typeof json === 'string') return this.byName(json, namespace);
    if (Array.isArray(json)) return this.union(json, namespace, depth);
    if (typeof json !== 'object' || json === null) throw refuse('a name, an object or a list was expected');
    const object = json as Readonly<Record<string, Json>>;
    const { type } = object;
    if (typeof type !== 'string') return this.read(type ?? null, namespace, depth + 1);
    switch (type) {
      case 'array':
        return { kind: 'array', items: this.read(object.items ?? null, namespace, depth + 1) };
      case 'map':
        return { kind: 'map', values: this.read(object.values ?? null, namespace, depth + 1) };
      case 'fixed':
      case 'enum':
      case 'record':
      case 'error':
        return this.namedType(type, object, namespace, depth);
      default:
        return this.byName(type, namespace);
    }
  }

  private byName(name: string, namespace: string): AvroSchema {
    if (isPrimitive(name)) return { kind: name };
    const found = this.named.get(name.includes('.') || namespace === '' ? name : `${namespace}.${name}`) ?? this.named.get(name);
    if (found === undefined) throw refuse(`there is no type '${name.slice(0, 80)}'`);
    return found;
  }

  private union(list: readonly Json[], namespace: string, depth: number): AvroSchema {
    const branches = list.map((branch) => this.read(branch, namespace, depth + 1));
    const keys = branches.map(branchName);
    if (branches.some((branch) => branch.kind === 'union')) throw refuse('a union may not directly hold a union');
    if (new Set(keys).size !== keys.length) throw refuse(`a union holds one type twice: ${keys.join(', ')}`);
    return { kind: 'union', branches };
  }

  private namedType(
    type: 'fixed' | 'enum' | 'record' | 'error',
    object: Readonly<Record<string, Json>>,
    outer: string,
    depth: number,
  ): AvroSchema {
    const { name: given } = object;
    if (typeof given !== 'string') throw refuse(`a ${type} needs a name`);
    const space = typeof object.namespace === 'string' ? object.namespace : outer;
    const name = given.includes('.') || space === '' ? given : `${space}.${given}`;
    if (!FULL_NAME.test(name) || isPrimitive(name)) throw refuse(`'${name.slice(0, 80)}' is no name for a type`);
    if (this.named.has(name)) throw refuse(`the name '${name}' is given twice`);
    if (type === 'fixed') return this.keep(name, { kind: 'fixed', name, size: fixedSize(object.size, name) });
    if (type === 'enum') return this.keep(name, { kind: 'enum', name, symbols: enumSymbols(object.symbols, name) });
    const record: AvroRecord = { kind: 'record', name, fields: [] };
    this.keep(name, record);
    const inner = name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : '';
    if (!Array.isArray(object.fields)) throw refuse(`record ${name} needs a list of fields`);
    for (const field of object.fields as readonly Json[]) record.fields.push(this.field(field, record, inner, depth));
    return record;
  }

  private field(json: Json, record: AvroRecord, namespace: string, depth: number): AvroField {
    const { name, type, default: otherwise } = (typeof json === 'object' && json !== null ? json : {}) as Readonly<Record<string, Json>>;
    if (typeof name !== 'string' || !NAME.test(name)) throw refuse(`a field of ${record.name} has no proper name`);
    if (record.fields.some((field) => field.name === name)) throw refuse(`${record.name} has two fields named '${name}'`);
    const read = { name, type: this.read(type ?? null, namespace, depth + 1) };
    return otherwise === undefined ? read : { ...read, default: otherwise };
  }

  private keep(name: string, schema: AvroSchema): AvroSchema {
    this.named.set(name, schema);
    return schema;
  }
}

function fixedSize(size: Json | undefined, name: string): number {
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw refuse(`fixed ${name} needs a size`);
  return size;
}

function enumSymbols(symbols: Json | undefined, name: string): readonly string[] {
  const list: readonly Json[] = Array.isArray(symbols) ? symbols : [];
  const texts = list.filter((symbol) => typeof symbol === 'string').filter((symbol) => NAME.test(symbol));
  if (texts.length === 0 || texts.length !== list.length || new Set(texts).size !== texts.length) {
    throw refuse(`enum ${name} needs a list of distinct symbols`);
  }
  return texts;
}

/** How a branch of a union is told apart: by kind, named types by name. */
export function branchName(schema: AvroSchema): string {
  return 'name' in schema ? schema.name : schema.kind;
}

/** Parsing Canonical Form (Apache Avro 1.12, "Parsing Canonical Form for Schemas"). */
export function canonicalSchema(schema: AvroSchema): string {
  return writeSchema(schema, new Set());
}

function writeSchema(schema: AvroSchema, seen: Set<string>): string {
  switch (schema.kind) {
    case 'array':
      return `{"type":"array","items":${writeSchema(schema.items, seen)}}`;
    case 'map':
      return `{"type":"map","values":${writeSchema(schema.values, seen)}}`;
    case 'union':
      return `[${schema.branches.map((branch) => writeSchema(branch, seen)).join(',')}]`;
    case 'fixed':
    case 'enum':
    case 'record':
      return writeNamed(schema, seen);
    default:
      return `"${schema.kind}"`;
  }
}

function writeNamed(schema: Extract<AvroSchema, { readonly name: string }>, seen: Set<string>): string {
  if (seen.has(schema.name)) return `"${schema.name}"`;
  seen.add(schema.name);
  const head = `{"name":"${schema.name}","type":"${schema.kind}",`;
  if (schema.kind === 'fixed') return `${head}"size":${schema.size}}`;
  if (schema.kind === 'enum') return `${head}"symbols":[${schema.symbols.map((symbol) => `"${symbol}"`).join(',')}]}`;
  const fields = schema.fields.map((field) => `{"name":"${field.name}","type":${writeSchema(field.type, seen)}}`);
  return `${head}"fields":[${fields.join(',')}]}`;
}

/** Apache Avro 1.12, "Schema Fingerprints": the fingerprint of nothing, and the polynomial. */
const CRC_EMPTY = 0xc15d213aa4d7a795n;

const crcTable: readonly bigint[] = Array.from({ length: 256 }, (_, n) => {
  let row = BigInt(n);
  for (let bit = 0; bit < 8; bit++) row = (row & 1n) === 1n ? (row >> 1n) ^ CRC_EMPTY : row >> 1n;
  return row;
});

/** CRC-64-AVRO of a canonical form, as 8 bytes little-endian: the order of single-object encoding. */
export function schemaFingerprint(canonical: string): Uint8Array {
  let crc = CRC_EMPTY;
  for (const byte of utf8(canonical)) crc = (crc >> 8n) ^ (crcTable[Number((crc ^ BigInt(byte)) & 0xffn)] ?? 0n);
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(crc);
  return out;
}
