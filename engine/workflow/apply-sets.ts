/** `--set path=value`: overrides any path of a workflow before it is checked. A wrong value points to its `--set`, not to a line. */
import type { Problem } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import type { Segment } from './document-path.ts';
import { formatPath, parsePath } from './document-path.ts';
import { kindOf } from './explain-issues.ts';
import { nearestOrAll } from './nearest.ts';
import type { Locate } from './place.ts';
import { problemAt, shorten } from './place.ts';
import { parseYaml } from './yaml-document.ts';

/** Largest value of one `--set`, characters. */
export const SET_LIMIT = 64 * 1024;

export interface SetResult {
  readonly value: Json;
  readonly problems: readonly Problem[];
  /** As the given one, but places that a set wrote read `--set path=value`. */
  readonly locate: Locate;
}

type MutableJson = null | boolean | number | string | MutableJson[] | { [key: string]: MutableJson };

/** Applies sets in order. `value` is left as it is; the result is a copy. */
export function applySets(value: Json, sets: readonly string[], locate: Locate): SetResult {
  const problems: Problem[] = [];
  const written = new Map<string, string>();
  let result: MutableJson = structuredClone(value) as MutableJson;
  for (const set of sets) {
    const from = `--set ${shorten(set)}`;
    const parsed = parseSet(set, from, problems);
    if (parsed === undefined) continue;
    const problem = (message: string, details: { expected?: string; hint?: string }): void => {
      problems.push(problemAt(formatPath(parsed.path), { file: from }, message, details));
    };
    const next = setAt(result, parsed.path, 0, parsed.value, problem);
    if (next === undefined) continue;
    result = next;
    written.set(formatPath(parsed.path), from);
  }
  return { value: result, problems, locate: (path, part) => placeOfSet(path, written) ?? locate(path, part) };
}

function placeOfSet(path: string, written: ReadonlyMap<string, string>): { file: string } | undefined {
  if (written.size === 0) return undefined;
  const segments = parsePath(path) ?? [];
  for (let n = segments.length; n > 0; n--) {
    const file = written.get(formatPath(segments.slice(0, n)));
    if (file !== undefined) return { file };
  }
  return undefined;
}

function parseSet(set: string, from: string, problems: Problem[]): { path: Segment[]; value: MutableJson } | undefined {
  const split = /^((?:[^="]|"(?:[^"\\]|\\.)*")*)=([\s\S]*)$/.exec(set.slice(0, SET_LIMIT));
  const path = split?.[1] === undefined ? undefined : parsePath(split[1]);
  if (path === undefined || path.length === 0 || set.length > SET_LIMIT) {
    problems.push({
      path: '',
      file: from,
      message: set.length > SET_LIMIT ? 'The value is too long' : 'Not of the form path=value',
      expected: 'path=value, such as accept=50 or verify[1].length.words=[1,2]',
    });
    return undefined;
  }
  const yaml = parseYaml(split?.[2] ?? '', from);
  for (const { line, column, excerpt, ...problem } of yaml.problems)
    problems.push({
      ...problem,
      path: formatPath(path),
      expected: problem.expected ?? 'a value in YAML, such as 50, text, [1, 2] or {min: 1}',
    });
  return yaml.problems.length > 0 || yaml.value === undefined ? undefined : { path, value: yaml.value as MutableJson };
}

type Report = (message: string, details: { expected?: string; hint?: string }) => void;

/** The changed value, or undefined after a reported problem. */
function setAt(target: MutableJson, path: readonly Segment[], depth: number, value: MutableJson, problem: Report): MutableJson | undefined {
  const segment = path[depth];
  if (segment === undefined) return value;
  const here = formatPath(path.slice(0, depth)) || 'the workflow';
  if (typeof segment === 'number') {
    if (!Array.isArray(target)) return wrongKind(problem, here, target, 'a list');
    if (segment >= target.length) {
      problem(`${here} has ${target.length} elements`, {
        expected: target.length === 0 ? 'an element that exists' : `an index from 0 to ${target.length - 1}`,
      });
      return undefined;
    }
    const next = setAt(target[segment] ?? null, path, depth + 1, value, problem);
    return next === undefined ? undefined : target.map((element, i) => (i === segment ? next : element));
  }
  if (typeof target !== 'object' || target === null || Array.isArray(target)) {
    const empty = target === null && depth > 0;
    if (!empty) return wrongKind(problem, here, target, Array.isArray(target) ? `an index such as ${here}[0]` : 'a map');
  }
  const map = target as { [key: string]: MutableJson } | null;
  const keys = Object.keys(map ?? {});
  const isStep = typeof path[depth - 1] === 'number' && (path[0] === 'generate' || path[0] === 'verify') && depth === 2;
  if (isStep && !keys.includes(segment)) {
    problem(`${here} has no '${shorten(segment)}'`, { hint: nearestOrAll(segment, keys, 'it has') });
    return undefined;
  }
  const next = setAt(
    keys.includes(segment) ? (map?.[segment] ?? null) : path[depth + 1] === undefined ? null : {},
    path,
    depth + 1,
    value,
    problem,
  );
  return next === undefined
    ? undefined
    : Object.fromEntries([...Object.entries(map ?? {}).filter(([key]) => key !== segment), [segment, next]]);
}

function wrongKind(problem: Report, here: string, target: MutableJson, expected: string): undefined {
  problem(`${here} is ${kindOf(target)}, so it can't be reached into like this`, { expected });
  return undefined;
}
