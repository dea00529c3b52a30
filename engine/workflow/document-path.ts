/** Paths into a workflow document as people write them: `verify[1].length.words[0]`, `data["my list"]`. */

export type Segment = string | number;

const PLAIN_KEY = /^[^.[\]"\s=]+$/;

export function formatPath(segments: readonly Segment[]): string {
  let path = '';
  for (const segment of segments) {
    if (typeof segment === 'number') path += `[${segment}]`;
    else if (PLAIN_KEY.test(segment)) path += path === '' ? segment : `.${segment}`;
    else path += `[${JSON.stringify(segment)}]`;
  }
  return path;
}

const TOKEN = /\.?([^.[\]"\s=]+)|\[(\d{1,9})\]|\[("(?:[^"\\]|\\.)*")\]/y;

/** The segments of a path; undefined when it is not one. The empty path has none. */
export function parsePath(path: string): Segment[] | undefined {
  const segments: Segment[] = [];
  let at = 0;
  while (at < path.length) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(path);
    if (match === null || (match[1] !== undefined && path[at] === '.' && at === 0)) return undefined;
    if (match[1] !== undefined && at > 0 && path[at] !== '.') return undefined;
    const segment = segmentOf(match);
    if (segment === undefined) return undefined;
    segments.push(segment);
    at = TOKEN.lastIndex;
  }
  return segments;
}

function segmentOf(match: RegExpExecArray): Segment | undefined {
  if (match[1] !== undefined) return match[1];
  if (match[2] !== undefined) return Number(match[2]);
  try {
    const key: unknown = JSON.parse(match[3] ?? '');
    return typeof key === 'string' ? key : undefined;
  } catch {
    return undefined;
  }
}

/** `below` may be relative (`words[0]`) or empty. */
export function joinPath(path: string, below: string): string {
  if (below === '') return path;
  return path === '' || below.startsWith('[') ? path + below : `${path}.${below}`;
}

/** The path of a key below a path. */
export function childPath(path: string, key: Segment): string {
  return joinPath(path, formatPath([key]));
}
