/** Programs, ops and problems as plain JSON: their types are JSON, but interfaces do not say so to the type checker. */
import type { Json } from '../contract/program.ts';

/** A copy that holds nothing but JSON; properties without a value are left out. */
export function toJson(value: object): Json {
  const json: Json = JSON.parse(JSON.stringify(value));
  return json;
}
