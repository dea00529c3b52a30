/**
 * What a model may answer, by JSON Schema (draft 2020-12): a subset that says the type of every value, so that a record's fields have their types
 * before the run. An answer is strict JSON, holds against the schema (Ajv), and fits the types, or it is no answer.
 */
import { createRequire } from 'node:module';
import type { Field, FieldType, Json, PlanContext, Value } from '#kernel';
import { conform, fitsType, messageOf, parseStrictJson } from '#kernel';
import type { Ajv, ErrorObject } from 'ajv';
import { FIELD_NAME } from '../fields.ts';
import { isObject } from './convert.ts';

/** Most subschemas of a schema. */
export const SCHEMA_NODES_LIMIT = 1_000;
/** Deepest nesting of a schema. */
export const SCHEMA_DEPTH_LIMIT = 16;

type Schema = { readonly [keyword: string]: Json };

export interface AnswerSchema {
  /** As it is sent and stands in the program: references resolved, what says nothing left out, objects closed. */
  readonly schema: Schema;
  /** The fields of the answer, in order of name. */
  readonly fields: readonly Field[];
}

/** Kept as they are. */
const PLAIN_KEYWORDS: readonly string[] = [
  'title',
  'description',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'uniqueItems',
];
/** Of no use to a model or a check. */
const LEFT_OUT: readonly string[] = ['$schema', '$id', '$comment', '$defs', 'definitions', 'default', 'examples', 'deprecated'];
const KEYWORDS = [
  ...PLAIN_KEYWORDS,
  'type',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'enum',
  'const',
  'anyOf',
  'oneOf',
  '$ref',
];

interface Known {
  readonly schema: Schema;
  readonly type: FieldType;
}

/** Undefined after reported problems at `at` and below. */
export function planAnswerSchema(root: Json, at: string, context: PlanContext): AnswerSchema | undefined {
  const planner = new SchemaPlanner(root, context);
  const known = planner.plan(root, at, 0, []);
  if (known === undefined || planner.broken) return undefined;
  if (typeof known.type === 'string' || !('record' in known.type)) {
    context.problem(at, 'The answer has to be an object with properties', { expected: '{ type: object, properties: { … } }' });
    return undefined;
  }
  const { schema } = known;
  if (!compiles(schema, at, context)) return undefined;
  return { schema, fields: known.type.record };
}

function compiles(schema: Schema, at: string, context: PlanContext): boolean {
  try {
    compile(schema);
    return true;
  } catch (error) {
    context.problem(at, `Not a JSON Schema: ${messageOf(error)}`);
    return false;
  }
}

class SchemaPlanner {
  broken = false;
  private nodes = 0;
  private readonly root: Json;
  private readonly context: PlanContext;

  constructor(root: Json, context: PlanContext) {
    this.root = root;
    this.context = context;
  }

  private problem(at: string, message: string, more: { readonly expected?: string; readonly hint?: string } = {}): undefined {
    this.broken = true;
    this.context.problem(at, message, more);
    return undefined;
  }

  /** @param refs those that are being resolved: a schema that holds itself has no finite type. */
  plan(node: Json | undefined, at: string, depth: number, refs: readonly string[]): Known | undefined {
    if (node === undefined || !isObject(node)) return this.problem(at, 'A schema is an object', { expected: 'such as { type: string }' });
    this.nodes++;
    if (this.nodes > SCHEMA_NODES_LIMIT || depth > SCHEMA_DEPTH_LIMIT)
      return this.problem(at, 'The schema is too large', {
        expected: `at most ${SCHEMA_NODES_LIMIT} subschemas, ${SCHEMA_DEPTH_LIMIT} deep`,
      });
    const unknown = Object.keys(node).filter((word) => !KEYWORDS.includes(word) && !LEFT_OUT.includes(word));
    for (const word of unknown) this.unknown(at, word);
    if (unknown.length > 0) return undefined;
    if (node['$ref'] !== undefined) return this.reference(node, at, depth, refs);
    const either = node['anyOf'] ?? node['oneOf'];
    if (either !== undefined) return this.either(node, either, at, depth, refs);
    const plain = Object.fromEntries(Object.entries(node).filter(([word]) => PLAIN_KEYWORDS.includes(word)));
    const values = node['enum'] ?? (node['const'] === undefined ? undefined : [node['const']]);
    if (values !== undefined) return this.enumeration(plain, values, at);
    const { type } = node;
    if (Array.isArray(type)) return this.types(node, type, at, depth, refs);
    switch (type) {
      case 'string':
      case 'boolean':
        return { schema: { ...plain, type }, type };
      case 'integer':
        return { schema: { ...plain, type }, type: 'long' };
      case 'number':
        return { schema: { ...plain, type }, type: 'double' };
      case 'array': {
        const items = this.plan(node['items'], `${at}.items`, depth + 1, refs);
        return items && { schema: { ...plain, type, items: items.schema }, type: { array: items.type } };
      }
      case 'object':
        return this.object(node, plain, at, depth, refs);
      default:
        return this.problem(at, type === undefined ? 'The schema says no type' : `There is no type ${JSON.stringify(type).slice(0, 40)}`, {
          expected: 'string, integer, number, boolean, array or object, or an enum',
        });
    }
  }

  private unknown(at: string, word: string): void {
    const hints: Readonly<Record<string, string>> = {
      pattern: 'check it with a step `pattern` behind this one, which tells rule and value',
      format: 'check it with a step `pattern` behind this one, which tells rule and value',
    };
    const hint = hints[word] ?? this.context.nearest(word, KEYWORDS);
    this.problem(`${at}.${word}`, `The keyword '${word}' is not known here`, {
      expected: KEYWORDS.join(', '),
      ...(hint === undefined ? {} : { hint }),
    });
  }

  private reference(node: Schema, at: string, depth: number, refs: readonly string[]): Known | undefined {
    const { $ref: ref } = node;
    if (typeof ref !== 'string' || !/^#\/(?:\$defs|definitions)\/[^/]+$/.test(ref))
      return this.problem(`${at}.$ref`, 'The reference leads outside', { expected: '#/$defs/NAME' });
    if (refs.includes(ref)) return this.problem(`${at}.$ref`, `'${ref}' holds itself`, { expected: 'a schema without loops' });
    const [, group = '', name = ''] = ref.split('/');
    const groups = isObject(this.root) ? this.root[group] : undefined;
    const target = groups !== undefined && isObject(groups) && Object.hasOwn(groups, name) ? groups[name] : undefined;
    if (target === undefined) return this.problem(`${at}.$ref`, `There is no '${ref}'`);
    return this.plan(target, at, depth + 1, [...refs, ref]);
  }

  /** Something or null; a choice of other kinds has no one type. */
  private either(node: Schema, branches: Json, at: string, depth: number, refs: readonly string[]): Known | undefined {
    const all = Array.isArray(branches) ? branches : [];
    const others = all.filter((branch) => !(isObject(branch) && branch['type'] === 'null'));
    const [only] = others;
    if (only === undefined || others.length > 1 || all.length !== 2)
      return this.problem(at, 'A choice of schemas has no one type', { expected: 'anyOf of a schema and { type: null }' });
    const { description } = node;
    const inner = this.plan(only, at, depth + 1, refs);
    return inner && nullable(description === undefined ? inner : { ...inner, schema: { description, ...inner.schema } });
  }

  private types(node: Schema, types: readonly Json[], at: string, depth: number, refs: readonly string[]): Known | undefined {
    const others = types.filter((type) => type !== 'null');
    const [only] = others;
    if (only === undefined || others.length > 1)
      return this.problem(`${at}.type`, 'A value has one type', { expected: 'such as string, or [string, "null"]' });
    const inner = this.plan({ ...node, type: only }, at, depth, refs);
    return inner && (others.length === types.length ? inner : nullable(inner));
  }

  private enumeration(plain: Schema, values: Json, at: string): Known | undefined {
    const all = Array.isArray(values) ? values : [];
    const given = all.filter((value) => value !== null);
    const type: FieldType | undefined = given.every((value) => typeof value === 'string')
      ? 'string'
      : given.every((value) => typeof value === 'boolean')
        ? 'boolean'
        : given.every((value) => Number.isSafeInteger(value))
          ? 'long'
          : given.every((value) => typeof value === 'number')
            ? 'double'
            : undefined;
    if (type === undefined || given.length === 0)
      return this.problem(`${at}.enum`, 'The allowed values are of one kind', { expected: 'texts, or numbers' });
    const schema = { ...plain, enum: all };
    return { schema, type: given.length === all.length ? type : { optional: type } };
  }

  private object(node: Schema, plain: Schema, at: string, depth: number, refs: readonly string[]): Known | undefined {
    const { properties, required = [], additionalProperties: more } = node;
    if (properties === undefined) {
      const inner = this.plan(more, `${at}.additionalProperties`, depth + 1, refs);
      return inner && { schema: { ...plain, type: 'object', additionalProperties: inner.schema }, type: { map: inner.type } };
    }
    if (more !== undefined && more !== false)
      return this.problem(`${at}.additionalProperties`, 'Properties that are not named have no field', { expected: 'false, or nothing' });
    if (!isObject(properties) || Object.keys(properties).length === 0 || !Array.isArray(required))
      return this.problem(at, 'The object has no properties', { expected: 'properties: { name: { type: string } }' });
    const names = Object.keys(properties).sort();
    for (const name of required)
      if (typeof name !== 'string' || !Object.hasOwn(properties, name))
        this.problem(`${at}.required`, `There is no property ${JSON.stringify(name)}`, { expected: names.join(', ') });
    const schemas: Record<string, Json> = {};
    const fields: Field[] = [];
    for (const name of names) {
      if (!FIELD_NAME.test(name))
        this.problem(`${at}.properties`, `'${name}' can't be the name of a field`, { expected: 'letters, digits and _' });
      const inner = this.plan(properties[name], `${at}.properties.${name}`, depth + 1, refs);
      if (inner === undefined) continue;
      schemas[name] = inner.schema;
      fields.push({ name, type: required.includes(name) ? inner.type : optional(inner.type) });
    }
    const closed = { ...plain, type: 'object', properties: schemas, required: [...new Set(required)].sort(), additionalProperties: false };
    return { schema: closed, type: { record: fields } };
  }
}

function optional(type: FieldType): FieldType {
  return typeof type === 'object' && 'optional' in type ? type : { optional: type };
}

function nullable({ schema, type }: Known): Known {
  return { schema: { anyOf: [schema, { type: 'null' }] }, type: optional(type) };
}

/** Loaded for a workflow that has such a schema. */
function loadAjv(): typeof Ajv {
  const loaded: { readonly Ajv: typeof Ajv } = createRequire(import.meta.url)('ajv');
  return loaded.Ajv;
}

type Check = (value: unknown) => readonly ErrorObject[];

/** Formats and patterns are no part of the subset, so nothing here runs an author's regular expression. */
function compile(schema: Schema): Check {
  const validate = new (loadAjv())({
    strict: true,
    strictRequired: false,
    strictTypes: false,
    validateFormats: false,
    addUsedSchema: false,
    logger: false,
  }).compile(schema);
  return (value) => (validate(value) ? [] : (validate.errors ?? []));
}

export type ReadAnswer = { readonly value: { readonly [name: string]: Value } } | { readonly code: string; readonly message: string };

/** Reads the text of an answer under a planned schema. */
export function openAnswer({ schema, fields }: AnswerSchema): (text: string) => ReadAnswer {
  const check = compile(schema);
  const type: FieldType = { record: fields };
  return (text) => {
    let json: Json;
    try {
      json = parseStrictJson(text);
    } catch (error) {
      return { code: 'ANSWER_NOT_JSON', message: `the answer is not strict JSON: ${messageOf(error)}` };
    }
    const [error] = check(json);
    if (error !== undefined)
      return {
        code: 'ANSWER_INVALID',
        message: `the answer breaks its schema: ${error.instancePath || 'it'} ${error.message ?? error.keyword}`,
      };
    const value = conform(type, json as Value);
    if (!fitsType(type, value))
      return { code: 'ANSWER_INVALID', message: 'the answer holds a value that its field can not: whole numbers lie within ±2^52' };
    return { value: value as { readonly [name: string]: Value } };
  };
}
