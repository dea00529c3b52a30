/** JSON Schemas made from zod schemas, and what can be read off them: known keys and expected types, for error texts. */
import { z } from 'zod';

export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema | boolean;
  readonly prefixItems?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly [keyword: string]: unknown;
}

const made = new WeakMap<z.ZodType, JsonSchema>();

/** What an author may write for a schema (its input side). Kept: making it costs more than a check. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  let json = made.get(schema);
  if (json === undefined) {
    json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
    made.set(schema, json);
  }
  return json;
}

/** Every reading of the schema at a path. */
export function schemasAt(root: JsonSchema, path: readonly PropertyKey[]): JsonSchema[] {
  let level: JsonSchema[] = branches(root, root);
  for (const segment of path) level = level.flatMap((schema) => below(root, schema, segment));
  return level;
}

/** Every key that some reading of the schema allows at a path. */
export function knownKeys(root: JsonSchema, path: readonly PropertyKey[]): string[] {
  return [...new Set(schemasAt(root, path).flatMap((schema) => Object.keys(schema.properties ?? {})))];
}

function below(root: JsonSchema, schema: JsonSchema, segment: PropertyKey): JsonSchema[] {
  if (typeof segment === 'number') {
    const item = schema.prefixItems?.[segment] ?? schema.items;
    return typeof item === 'object' ? branches(root, item) : [];
  }
  const property = schema.properties?.[String(segment)] ?? schema.additionalProperties;
  return typeof property === 'object' ? branches(root, property) : [];
}

/** Resolves references and unions; depth-limited, because a schema may refer to itself. */
function branches(root: JsonSchema, schema: JsonSchema, depth = 0): JsonSchema[] {
  if (depth > 8) return [];
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace(/^#\/\$defs\//, '');
    const target = schema.$ref === '#' ? root : root.$defs?.[name];
    return target === undefined ? [] : branches(root, target, depth + 1);
  }
  const options = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  return options === undefined ? [schema] : [...options.flatMap((option) => branches(root, option, depth + 1)), schema];
}
