/**
 * The rules of the rooms, and of code that decides records, as one pure function over source texts (DESIGN: rooms; law 1: determinism).
 * It reads imports and calls from the text itself, after comments and string contents are blanked out, so that it needs no other tool.
 */
import { posix } from 'node:path';

/** One broken rule, with the place to look at. */
export interface Violation {
  readonly rule: string;
  readonly file: string;
  readonly line: number;
  readonly detail: string;
}

/** What a check looked at: a check that saw nothing must not pass. */
export interface SourceReport {
  readonly files: number;
  readonly imports: number;
  readonly violations: readonly Violation[];
}

/** No source file may be longer. */
export const MAX_FILE_LINES = 400;

export const ROOMS = ['engine', 'operators', 'connectors', 'topologies', 'cli', 'package', 'test'] as const;

/** Inside engine/ a folder may import itself and the folders before it. `ledger` stands beside `dispatch`. */
export const ENGINE_ORDER: readonly string[] = [
  'contract',
  'wasm',
  'proof',
  'workflow',
  'compile',
  'datavm',
  'dispatch',
  'runtime',
  'verify',
];

/** Folders whose code decides or makes records: their results must not depend on clock, locale, chance or platform (law 1). */
const DETERMINISTIC = ['engine/wasm/', 'engine/proof/', 'engine/compile/', 'engine/datavm/', 'operators/', 'connectors/simulator/'];

/** The one place among them where chance is wanted: a new key. */
const MAKES_KEYS = 'engine/proof/ed25519.ts';

/** Functions of Math whose last bits differ between JavaScript engines (DESIGN: determinism traps). */
const INEXACT_MATH = 'exp|expm1|log|log2|log10|log1p|pow|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|asinh|acosh|atanh|cbrt|hypot';

const FORBIDDEN_CALLS: readonly (readonly [rule: string, pattern: RegExp])[] = [
  ['no-random', /\bMath\s*\.\s*random\b/],
  ['no-random', /\brandom(UUID|Bytes|Int|FillSync)\b|\bgetRandomValues\b/],
  ['no-clock', /\bDate\s*\.\s*(now|parse|UTC)\b|\bnew\s+Date\b|\bperformance\s*\.\s*now\b|\bhrtime\b/],
  ['no-locale', /\.\s*toLocale\w+|\bIntl\s*\.|\blocaleCompare\b/],
  ['no-inexact-math', new RegExp(`\\bMath\\s*\\.\\s*(${INEXACT_MATH})\\b`)],
  // 2 ** 53 and 10n ** n are exact; a power of a number with a name or a fraction in it need not be.
  ['no-inexact-math', /(?<!\d+n\s*)\*\*(?!\s*(?:\d+n?\b(?!\s*\.)|BigInt\b))/],
];

/** Marks of unfinished work, in a comment. */
const UNFINISHED = /(?:\/\/|\/\*|^\s*\*|<!--|^\s*#).*\b(?:TO[D]O|FIX[M]E|HAC[K]|XX[X])\b/;

/** Places and tools outside the project, of which neither code nor documents may speak. */
const FOREIGN = /farm-[s]tudio|\.[l]ibrary\b|\.\.\/[s]hared\b|\/[w]ork\/|\/ho[m]e\/[a-z]|\/[r]oot\/|regi[s]try\.(?:npmjs|yarnpkg)/;

const BARE_ERROR = /\bnew\s+(Error|TypeError|RangeError)\s*\(/;
const DOUBLE_CAST = /\bas\s+(unknown|any)\s+as\b/;
const SUPPRESSION = /@ts-(ignore|nocheck|expect-error)\b/;

const IMPORT =
  /(?:^|[;\s}])(?:import|export)\s+(?:type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?(['"])([^'"\n]+)\1|\bimport\s*\(\s*(['"])([^'"\n]+)\3/g;

/** Replaces comments, and on request the contents of strings and regular expressions, by spaces; lengths and line ends stay. */
function blank(source: string, strings: boolean): string {
  const token =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`|(?<=[=(,:[!&|?{};\n]\s*|return\s)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[dgimsuvyl]*/g;
  return source.replace(token, (text) => {
    if (text.startsWith('//') || text.startsWith('/*')) return text.replace(/[^\n]/g, ' ');
    if (!strings) return text;
    // What stands inside ${…} is code.
    if (text.startsWith('`')) return text.replace(/(\$\{[^}]*\})|[^\n]/g, (_all, code: string | undefined) => code ?? ' ');
    return text.replace(/[^\n]/g, ' ');
  });
}

function lineAt(source: string, index: number): number {
  return source.slice(0, index).split('\n').length;
}

function roomOf(path: string): string {
  return path.split('/')[0] ?? '';
}

function engineFolder(path: string): number {
  const parts = path.split('/');
  if (parts.length < 3) return ENGINE_ORDER.length;
  return ENGINE_ORDER.indexOf(parts[1] === 'ledger' ? 'dispatch' : (parts[1] ?? ''));
}

/** What is wrong with `file` importing `specifier`; undefined when nothing is. */
function importProblem(file: string, specifier: string): string | undefined {
  const from = roomOf(file);
  if (specifier.startsWith('#')) {
    if (from === 'engine') return 'engine/ imports its own files by path and knows no other room';
    if ((from === 'operators' || from === 'connectors') && specifier !== '#engine' && specifier !== '#kernel')
      return `${from}/ sees only the engine: '#kernel', or all of it, '#engine'`;
    return undefined;
  }
  if (!specifier.startsWith('.')) return undefined;
  const target = posix.normalize(posix.join(posix.dirname(file), specifier));
  const to = roomOf(target);
  if (!specifier.endsWith('.ts') && !specifier.endsWith('.json')) return `a file is imported with its extension, not as '${specifier}'`;
  if (from !== to) {
    if (to === 'test') return 'nobody imports test/';
    if (from === 'test') return undefined;
    return `across rooms import the door ('#engine', '#operators', '#connectors/NAME', '#topologies'), not '${specifier}'`;
  }
  if (from === 'connectors' && file.split('/')[1] !== target.split('/')[1]) return 'a connector imports no other connector';
  if (from === 'engine') {
    const [a, b] = [engineFolder(file), engineFolder(target)];
    if (a < 0) return `engine/${file.split('/')[1]}/ is no known folder of engine/: ${ENGINE_ORDER.join(', ')}`;
    if (b > a) return `inside engine/ imports point one way: ${ENGINE_ORDER.join(' → ')}`;
  }
  if (target.endsWith('/index.ts') && posix.dirname(target) !== posix.dirname(file)) return 'inside a room import the file, not the door';
  return undefined;
}

/** `throw new …Error(…)` inside a `catch (name)` block must hand the caught error on as its cause. */
function lostCauses(code: string): number[] {
  const found: number[] = [];
  for (const match of code.matchAll(/\bcatch\s*\(\s*\w+[^)]*\)\s*\{/g)) {
    const start = match.index + match[0].length - 1;
    const block = code.slice(start, closing(code, start, '{', '}'));
    for (const thrown of block.matchAll(/\bthrow\s+new\s+\w*Error\s*\(/g)) {
      const open = thrown.index + thrown[0].length - 1;
      if (!/\bcause\b/.test(block.slice(open, closing(block, open, '(', ')')))) found.push(start + thrown.index);
    }
  }
  return found;
}

/** The index after the bracket that closes the one at `open`; the end of the text when none does. */
function closing(text: string, open: number, opener: string, closer: string): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === opener) depth++;
    else if (text[at] === closer && --depth === 0) return at + 1;
  }
  return text.length;
}

function checkImports(file: string, source: string, report: (rule: string, line: number, detail: string) => void): number {
  const code = blank(source, false);
  let imports = 0;
  for (const match of code.matchAll(IMPORT)) {
    imports++;
    const specifier = match[2] ?? match[4] ?? '';
    const problem = importProblem(file, specifier);
    if (problem !== undefined) report('rooms', lineAt(code, match.index + match[0].indexOf(specifier)), problem);
  }
  return imports;
}

function checkText(file: string, source: string, report: (rule: string, line: number, detail: string) => void): void {
  const lines = source.split('\n');
  if (lines.length - 1 > MAX_FILE_LINES) report('file-length', MAX_FILE_LINES + 1, `${lines.length - 1} lines; at most ${MAX_FILE_LINES}`);
  const code = blank(source, true).split('\n');
  const deterministic = DETERMINISTIC.some((folder) => file.startsWith(folder));
  const inTest = file.startsWith('test/');
  for (const [index, line] of lines.entries()) {
    const word = UNFINISHED.exec(line) ?? FOREIGN.exec(line);
    if (word !== null) report('forbidden-word', index + 1, word[0]);
    if (SUPPRESSION.test(line)) report('no-suppression', index + 1, line.trim());
    const text = code[index] ?? '';
    if (!inTest && BARE_ERROR.test(text)) report('no-bare-error', index + 1, 'throw a MizuError with a code of contract/errors.ts');
    if (!inTest && DOUBLE_CAST.test(text)) report('no-double-cast', index + 1, text.trim());
    if (!deterministic) continue;
    for (const [rule, pattern] of FORBIDDEN_CALLS) {
      if (pattern.test(text) && !(rule === 'no-random' && file === MAKES_KEYS)) report(rule, index + 1, line.trim());
    }
  }
  const opening = source.replace(/^#!.*\n/, '').trimStart();
  if (!file.endsWith('.test.ts') && !opening.startsWith('/*') && !opening.startsWith('//'))
    report('opening-comment', 1, 'a file opens with its idea in 1 to 6 lines');
  for (const at of lostCauses(blank(source, true))) report('error-cause', lineAt(source, at), 'pass the caught error on as { cause }');
}

/**
 * Checks documents, workflows and settings: they speak of the project only, and hold no unfinished work.
 *
 * @param documents path → text
 */
export function checkDocuments(documents: ReadonlyMap<string, string>): readonly Violation[] {
  const violations: Violation[] = [];
  for (const [file, text] of documents) {
    for (const [index, line] of text.split('\n').entries()) {
      const word = UNFINISHED.exec(line) ?? FOREIGN.exec(line);
      if (word !== null) violations.push({ rule: 'forbidden-word', file, line: index + 1, detail: word[0] });
    }
  }
  return violations;
}

/**
 * Checks source texts against every rule.
 *
 * @param sources path from the root of the repository, with forward slashes → text
 */
export function checkSources(sources: ReadonlyMap<string, string>): SourceReport {
  const violations: Violation[] = [];
  let imports = 0;
  for (const [file, source] of sources) {
    const report = (rule: string, line: number, detail: string): void => void violations.push({ rule, file, line, detail });
    imports += checkImports(file, source, report);
    checkText(file, source, report);
  }
  return { files: sources.size, imports, violations };
}
