/**
 * Where two versions of an Avro schema differ, field by field, and which readers a difference breaks (Apache Avro 1.12, "Schema Resolution").
 * The registry decides; this puts what it saw into words for whoever changed the workflow.
 */
import type { AvroField, AvroPrimitive, AvroRecord, AvroSchema } from '#engine';

type AvroUnion = Extract<AvroSchema, { kind: 'union' }>;
type AvroEnum = Extract<AvroSchema, { kind: 'enum' }>;

export interface Difference {
  /** `author.name`; `tags[]` is what stands in the list `tags`; empty for the record itself. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'retyped' | 'renamed';
  /** As people read it; undefined where there was no such field. */
  readonly before: string | undefined;
  readonly after: string | undefined;
  /** Readers of the new schema can't read old records. */
  readonly breaksBackward: boolean;
  /** Readers of the old schema can't read new records. */
  readonly breaksForward: boolean;
}

/** What a reader takes for a writer's type besides its own ("Schema Resolution"). */
const PROMOTIONS: Readonly<Partial<Record<AvroPrimitive, readonly AvroPrimitive[]>>> = {
  long: ['int'],
  float: ['int', 'long'],
  double: ['int', 'long', 'float'],
  string: ['bytes'],
  bytes: ['string'],
};

/** In order of the new schema's fields, then those that are gone. */
export function schemaDifferences(before: AvroSchema, after: AvroSchema): Difference[] {
  const found: Difference[] = [];
  compare(before, after, '', { found, seen: new Set() });
  return found;
}

interface Walk {
  readonly found: Difference[];
  /** Pairs of records that are compared already: a record may hold itself. */
  readonly seen: Set<string>;
}

function compare(before: AvroSchema, after: AvroSchema, path: string, walk: Walk): void {
  if (before.kind === 'record' && after.kind === 'record') return compareRecords(before, after, path, walk);
  if (before.kind === 'array' && after.kind === 'array') return compare(before.items, after.items, `${path}[]`, walk);
  if (before.kind === 'map' && after.kind === 'map') return compare(before.values, after.values, `${path}{}`, walk);
  if (before.kind === 'union' && after.kind === 'union') return compareUnions(before, after, path, walk);
  const [breaksBackward, breaksForward] = [!reads(after, before), !reads(before, after)];
  const words = { before: describeAvro(before), after: describeAvro(after) };
  if (words.before === words.after && !breaksBackward && !breaksForward) return;
  walk.found.push({ path, kind: 'retyped', ...words, breaksBackward, breaksForward });
}

function compareRecords(before: AvroRecord, after: AvroRecord, path: string, walk: Walk): void {
  const pair = `${before.name} ${after.name}`;
  if (walk.seen.has(pair)) return;
  walk.seen.add(pair);
  if (lastName(before) !== lastName(after)) {
    walk.found.push({ path, kind: 'renamed', before: before.name, after: after.name, breaksBackward: true, breaksForward: true });
  }
  const below = (field: AvroField): string => (path === '' ? field.name : `${path}.${field.name}`);
  for (const field of after.fields) {
    const old = before.fields.find(({ name }) => name === field.name);
    if (old !== undefined) compare(old.type, field.type, below(field), walk);
    else {
      const breaksBackward = field.default === undefined;
      walk.found.push({
        path: below(field),
        kind: 'added',
        before: undefined,
        after: describeAvro(field.type),
        breaksBackward,
        breaksForward: false,
      });
    }
  }
  for (const field of before.fields) {
    if (after.fields.some(({ name }) => name === field.name)) continue;
    const breaksForward = field.default === undefined;
    walk.found.push({
      path: below(field),
      kind: 'removed',
      before: describeAvro(field.type),
      after: undefined,
      breaksBackward: false,
      breaksForward,
    });
  }
}

function compareUnions(before: AvroUnion, after: AvroUnion, path: string, walk: Walk): void {
  const missingIn = (union: AvroUnion, of: AvroUnion): AvroSchema[] =>
    of.branches.filter((branch) => !union.branches.some((other) => nameOf(other) === nameOf(branch)));
  const [gone, come] = [missingIn(after, before), missingIn(before, after)];
  if (gone.length + come.length > 0) {
    const breaksBackward = gone.some((branch) => !reads(after, branch));
    const breaksForward = come.some((branch) => !reads(before, branch));
    walk.found.push({ path, kind: 'retyped', before: describeAvro(before), after: describeAvro(after), breaksBackward, breaksForward });
  }
  for (const branch of after.branches) {
    const old = before.branches.find((other) => nameOf(other) === nameOf(branch));
    if (old !== undefined) compare(old, branch, path, walk);
  }
}

/** Whether every value of `writer` can be read as `reader`. */
function reads(reader: AvroSchema, writer: AvroSchema, seen: ReadonlySet<string> = new Set()): boolean {
  if (writer.kind === 'union') return writer.branches.every((branch) => reads(reader, branch, seen));
  if (reader.kind === 'union') return reader.branches.some((branch) => reads(branch, writer, seen));
  if (reader.kind === 'record' && writer.kind === 'record') return readsRecord(reader, writer, seen);
  if (reader.kind === 'array' && writer.kind === 'array') return reads(reader.items, writer.items, seen);
  if (reader.kind === 'map' && writer.kind === 'map') return reads(reader.values, writer.values, seen);
  if (reader.kind === 'enum' && writer.kind === 'enum') return lastName(reader) === lastName(writer) && holdsSymbols(reader, writer);
  if (reader.kind === 'fixed' && writer.kind === 'fixed') return lastName(reader) === lastName(writer) && reader.size === writer.size;
  if (reader.kind === writer.kind) return true;
  return ((PROMOTIONS as Readonly<Record<string, readonly string[]>>)[reader.kind] ?? []).includes(writer.kind);
}

function readsRecord(reader: AvroRecord, writer: AvroRecord, seen: ReadonlySet<string>): boolean {
  const pair = `${reader.name} ${writer.name}`;
  if (seen.has(pair)) return true;
  if (lastName(reader) !== lastName(writer)) return false;
  const inside = new Set([...seen, pair]);
  return reader.fields.every((field) => {
    const written = writer.fields.find(({ name }) => name === field.name);
    return written === undefined ? field.default !== undefined : reads(field.type, written.type, inside);
  });
}

function holdsSymbols(reader: AvroEnum, writer: AvroEnum): boolean {
  return writer.symbols.every((symbol) => reader.symbols.includes(symbol));
}

/** Names are compared without their namespaces. */
function lastName(schema: { readonly name: string }): string {
  return schema.name.slice(schema.name.lastIndexOf('.') + 1);
}

function nameOf(branch: AvroSchema): string {
  return 'name' in branch ? lastName(branch) : branch.kind;
}

/** `list of long`, `string or null`, `record Author`. */
function describeAvro(schema: AvroSchema): string {
  switch (schema.kind) {
    case 'array':
      return `list of ${describeAvro(schema.items)}`;
    case 'map':
      return `map of ${describeAvro(schema.values)}`;
    case 'union': {
      const names = schema.branches.filter(({ kind }) => kind !== 'null').map(describeAvro);
      return [...names, ...(names.length < schema.branches.length ? ['null'] : [])].join(' or ');
    }
    case 'enum':
      return `one of ${schema.symbols.join(', ')}`;
    case 'fixed':
      return `${schema.size} bytes (${schema.name})`;
    case 'record':
      return `record ${schema.name}`;
    default:
      return schema.kind;
  }
}
