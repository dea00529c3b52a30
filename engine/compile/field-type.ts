/** The type of a field that a path names: `persona.voice` reaches into records, and into maps, whose keys may be absent. */
import type { FieldType, Schema } from '../contract/types.ts';
import { describeType, fieldOf } from '../contract/types.ts';

export type FieldLookup =
  | { readonly type: FieldType }
  /** `among`: the names there are at the level where `name` is missing. */
  | { readonly missing: string; readonly among: readonly string[]; readonly inside: string | undefined };

export function lookUpField(schema: Schema, path: string): FieldLookup {
  const [root = '', ...names] = path.split('.');
  const field = fieldOf(schema, root);
  if (field === undefined) return { missing: root, among: schema.map((f) => f.name), inside: undefined };
  let type = field.type;
  let optional = false;
  let seen = root;
  for (const name of names) {
    if (typeof type === 'object' && 'optional' in type) {
      optional = true;
      type = type.optional;
    }
    if (typeof type === 'object' && 'map' in type && name !== '') {
      optional = true;
      type = type.map;
    } else if (typeof type === 'object' && 'record' in type) {
      const inner = fieldOf(type.record, name);
      if (inner === undefined) return { missing: name, among: type.record.map((f) => f.name), inside: seen };
      type = inner.type;
    } else {
      return { missing: name, among: [], inside: `${seen}, which is ${describeType(type)}` };
    }
    seen += `.${name}`;
  }
  const isOptional = typeof type === 'object' && 'optional' in type;
  return { type: optional && !isOptional ? { optional: type } : type };
}
