/** A workflow made by code as the plain JSON that YAML would give: keys without a value are no keys, anything else that is no JSON is named. */
import type { Problem } from '../contract/errors.ts';
import { messageOf } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import { canonicalJson } from '../proof/jcs.ts';
import type { Segment } from './document-path.ts';
import { formatPath } from './document-path.ts';
import { YAML_DEPTH_LIMIT } from './yaml-document.ts';

export function plainDocument(value: unknown, file: string): { readonly value: Json; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const refuse = (path: readonly Segment[], message: string, expected: string): null => {
    problems.push({ path: formatPath(path), file, message, expected });
    return null;
  };
  const walk = (node: unknown, path: readonly Segment[]): Json => {
    if (path.length > YAML_DEPTH_LIMIT) return refuse(path.slice(0, 8), 'Nested too deep', `at most ${YAML_DEPTH_LIMIT} levels`);
    if (Array.isArray(node)) return node.map((element: unknown, i) => walk(element, [...path, i]));
    if (typeof node === 'object' && node !== null && Object.getPrototypeOf(node) === Object.prototype) {
      const entries = Object.entries(node).filter(([, entry]) => entry !== undefined);
      return Object.fromEntries(entries.map(([key, entry]) => [key, walk(entry, [...path, key])]));
    }
    try {
      return JSON.parse(canonicalJson(node as Json)) as Json;
    } catch (error) {
      return refuse(path, `Not a JSON value: ${messageOf(error)}`, 'text, a finite number, true, false, null, a list or a plain object');
    }
  };
  return { value: walk(value, []), problems };
}
