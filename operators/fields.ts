/**
 * What most operators share: how a parameter names a field, how its type is checked at plan time with one clear problem,
 * and how a (dotted) path is read from a row. A path is `name` or `name.inner.inner`; names are Avro names (Avro 1.12, Names).
 */
import type { BlockView, FieldType, Json, PlanContext, Row, Value } from '#kernel';
import { describeType, fieldOf, MizuError, sameType } from '#kernel';
import { z } from 'zod';

/** Avro 1.12, section Names. */
export const FIELD_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Longest field path that a parameter may hold, characters. */
export const PATH_LIMIT = 200;

/** A parameter that names an existing field. */
export const existingField = (what: string) => z.string().min(1).max(PATH_LIMIT).describe(what);

/** A parameter that names the field to make. */
export const newField = (what: string) =>
  z.string().max(PATH_LIMIT).regex(FIELD_NAME, 'a field name: letters, digits and _, not starting with a digit').describe(what);

export type ScalarName = 'string' | 'long' | 'double' | 'boolean' | 'bytes';

/** The type without its `optional`. */
export function requiredType(type: FieldType): FieldType {
  return typeof type === 'object' && 'optional' in type ? requiredType(type.optional) : type;
}

/** First name of a path: the field that an op reads. */
export function rootOf(path: string): string {
  const dot = path.indexOf('.');
  return dot < 0 ? path : path.slice(0, dot);
}

/** Words for a default step id: `length-body`. */
export function stepWords(operator: string, path: string): string {
  return `${operator}-${path.replaceAll('.', '-')}`;
}

export interface PlannedField {
  readonly type: FieldType;
  /** The field is a plain column: a top-level scalar that is never null. Otherwise it is read by value. */
  readonly column: boolean;
}

/** The planned field if it has one of the allowed types (optional or not); otherwise a problem was reported. */
export function planField(context: PlanContext, path: string, at: string, allowed: readonly ScalarName[]): PlannedField | undefined {
  const type = context.fieldType(path, at);
  if (type === undefined) return undefined;
  const plain = requiredType(type);
  if (!allowed.some((name) => name === plain)) {
    context.problem(at, `Field '${path}' is ${describeType(type)}`, { expected: listWords(allowed) });
    return undefined;
  }
  return { type: plain, column: plain === type && !path.includes('.') };
}

/** A top-level text field that a correction may rewrite; otherwise a problem was reported. */
export function planTextColumn(context: PlanContext, field: string, at = 'field'): boolean {
  const planned = planField(context, field, at, ['string']);
  if (planned === undefined) return false;
  if (planned.column) return true;
  context.problem(at, `Field '${field}' can't be corrected in place`, {
    expected: 'a top-level string field that is never null',
    hint: `make a plain field of it first: set: { as: ${field.replaceAll('.', '_')}, value: "..." }`,
  });
  return false;
}

/** A field to make: new, or of the same type as the one it replaces; otherwise a problem was reported. */
export function planWrite(context: PlanContext, name: string, type: FieldType, at = 'as'): boolean {
  const before = fieldOf(context.schema, name)?.type;
  if (before === undefined || sameType(before, type)) return true;
  context.problem(at, `There is a field '${name}' already, and it is ${describeType(before)}, not ${describeType(type)}`, {
    expected: 'a new name, or a field of the same type',
  });
  return false;
}

export function listWords(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]}`;
}

/** Reads a dotted path; null where anything on the way is null. */
export function readPath(path: string): (view: BlockView, row: number) => Value {
  const [root = '', ...inner] = path.split('.');
  return (view, row) => {
    let value: Value | undefined = view.value(root, row);
    for (const name of inner) value = step(value, name);
    return value ?? null;
  };
}

/** As `readPath`, from a row. */
export function readRowPath(path: string): (row: Row) => Value {
  const names = path.split('.');
  return (row) => {
    let value: Value | undefined = row;
    for (const name of names) value = step(value, name);
    return value ?? null;
  };
}

function step(value: Value | undefined, name: string): Value | undefined {
  return isRow(value) && Object.hasOwn(value, name) ? value[name] : null;
}

export function isRow(value: Value | undefined): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

const encoder = new TextEncoder();

/** UTF-8 bytes of a text field: a view for a plain column, else encoded; undefined where the value is null. */
export function readTextBytes(path: string, column: boolean): (view: BlockView, row: number) => Uint8Array | undefined {
  if (column) return (view, row) => view.slice(path, row);
  const read = readPath(path);
  return (view, row) => {
    const value = read(view, row);
    return typeof value === 'string' ? encoder.encode(value) : undefined;
  };
}

/** A zod result as JSON: optional parameters that are absent stay absent. */
export function toJson(params: unknown): Json {
  return JSON.parse(JSON.stringify(params));
}

/** Reads an op's planned parameters. @throws BYTES_INVALID when a program holds what this operator never wrote. */
export function openParams<T>(schema: z.ZodType<T>, params: Json, operator: string): T {
  const result = schema.safeParse(params);
  if (result.success) return result.data;
  throw new MizuError(
    'BYTES_INVALID',
    `The program's parameters of '${operator}' are not what this version writes: ${result.error.message}`,
    {
      hint: 'the program was compiled by another version of Mizu: compile the workflow again',
    },
  );
}

/** A measured text as it stands in reports: at most 80 UTF-16 units, cut at a code-point border. */
export function shorten(text: string, limit = 80): string {
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 2);
  const end = last >= 0xd800 && last <= 0xdbff ? limit - 2 : limit - 1;
  return `${text.slice(0, end)}…`;
}
