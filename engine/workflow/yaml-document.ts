/**
 * Reads YAML 1.2 (core schema) as plain JSON with the place of every node. Strict: no custom tags, no repeated keys, no
 * aliases that multiply, no numbers that would change, named limits on size, depth and nodes (laws 1 and 10).
 */
import type { Node, Pair, Scalar } from 'yaml';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Problem } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import type { Segment } from './document-path.ts';
import { formatPath } from './document-path.ts';
import type { Locate, Place } from './place.ts';
import { problemAt, shorten } from './place.ts';
import { FLATTER, syntaxFaults } from './yaml-syntax.ts';

/** Largest workflow file or data file in YAML, UTF-16 units. */
export const YAML_LIMIT = 1 << 20;
/** Deepest nesting. */
export const YAML_DEPTH_LIMIT = 64;
/** Most nodes after aliases are followed: stops 'billion laughs'. */
export const YAML_NODE_LIMIT = 500_000;
/** Most aliases followed. */
export const YAML_ALIAS_LIMIT = 1_000;
/** Longest line shown under a problem, characters. */
const EXCERPT_LIMIT = 100;

const CORE_TAG = /^tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq)$/;

export interface YamlDocument {
  /** Undefined when the text could not be read at all. */
  readonly value: Json | undefined;
  readonly problems: readonly Problem[];
  readonly locate: Locate;
}

export function parseYaml(text: string, file: string): YamlDocument {
  const reader = new YamlReader(text, file);
  const value = reader.read();
  return { value, problems: reader.problems, locate: reader.locate };
}

class YamlReader {
  readonly problems: Problem[] = [];
  readonly locate: Locate = (path, part = 'value') => this.find(path, part);
  private readonly text: string;
  private readonly file: string;
  private readonly lines = new LineCounter();
  private readonly values = new Map<string, Place>();
  private readonly keys = new Map<string, Place>();
  /** The newest anchor of each name so far: what an alias means. */
  private readonly anchors = new Map<string, Node>();
  private nodes = 0;
  private aliases = 0;
  /** Aliases that the node at hand stands in: what they hold was met before. */
  private following = 0;
  /** Collections that the node at hand stands in. */
  private readonly open = new Set<Node>();
  /** Collections of which it was said that they hold themselves: once is enough. */
  private readonly circles = new Set<Node>();

  constructor(text: string, file: string) {
    this.text = text;
    this.file = file;
  }

  read(): Json | undefined {
    if (this.text.length > YAML_LIMIT) {
      this.report('', this.passed(), `The file holds ${this.text.length} characters`, {
        expected: `at most ${YAML_LIMIT}, which ends here`,
        hint: 'put long lists into .txt or .json files and name them under `data`',
      });
      return undefined;
    }
    const document = parseDocument(this.text, {
      version: '1.2',
      schema: 'core',
      strict: true,
      // The library compares each key with all others of its map; here a set does it.
      uniqueKeys: false,
      merge: false,
      prettyErrors: false,
      lineCounter: this.lines,
    });
    for (const fault of syntaxFaults(document.errors, YAML_DEPTH_LIMIT)) this.report('', this.place(fault.at), fault.message, fault);
    if (document.errors.length > 0) return undefined;
    if (document.directives?.yaml.explicit === true && document.directives.yaml.version !== '1.2') {
      this.report('', this.place(0), `YAML ${document.directives.yaml.version} is not supported`, {
        expected: 'YAML 1.2',
        hint: 'leave the %YAML line out',
      });
    }
    if (document.contents === null) this.values.set('', this.place(0));
    return this.node(document.contents, [], 0);
  }

  private node(node: Node | null, path: readonly Segment[], depth: number): Json | undefined {
    if (node === null) return null;
    const name = formatPath(path);
    if (!this.values.has(name)) this.values.set(name, this.place(node.range?.[0] ?? 0, node.range?.[1]));
    if (++this.nodes > YAML_NODE_LIMIT || depth > YAML_DEPTH_LIMIT) return this.tooMuch(name, depth);
    if (isAlias(node)) {
      if (++this.aliases > YAML_ALIAS_LIMIT) return this.tooManyAliases(name);
      const target = this.anchors.get(node.source);
      if (target !== undefined && this.open.has(target)) return this.circle(name, node.source, target);
      if (target !== undefined) return this.follow(target, path, depth + 1);
      this.report(name, this.find(name, 'value'), `There is no anchor '&${node.source}' before this alias`, {
        hint: `define it first: \`key: &${node.source} value\`, or put quotes around the text`,
      });
      return undefined;
    }
    this.anchor(node);
    const tag = node.tag;
    if (tag !== undefined && !CORE_TAG.test(tag)) {
      this.report(name, this.find(name, 'value'), `The tag '${shorten(tag)}' is not supported`, {
        expected: 'plain text, numbers, true, false, null, lists and maps',
        hint: 'leave the tag out',
      });
      return undefined;
    }
    if (isScalar(node)) return this.scalar(node, name);
    this.open.add(node);
    const value = this.collection(node, path, depth);
    this.open.delete(node);
    return value;
  }

  private collection(node: Node, path: readonly Segment[], depth: number): Json {
    if (isSeq(node)) return node.items.map((item, i) => this.node(item as Node | null, [...path, i], depth + 1) ?? null);
    return isMap(node) ? this.map(node.items as readonly Pair<Node | null, Node | null>[], path, depth) : null;
  }

  private circle(name: string, anchor: string, target: Node): undefined {
    if (this.circles.has(target)) return undefined;
    this.circles.add(target);
    this.report(name, this.find(name, 'value'), `The alias '*${shorten(anchor)}' stands inside what it names`, {
      expected: 'an alias of something that ends above it',
      hint: `write the value itself, or move \`&${shorten(anchor)}\` to a part that this alias is not in`,
    });
    return undefined;
  }

  private follow(target: Node, path: readonly Segment[], depth: number): Json | undefined {
    this.following++;
    const value = this.node(target, path, depth);
    this.following--;
    return value;
  }

  private anchor(node: Node): void {
    if (!isAlias(node) && node.anchor !== undefined && this.following === 0) this.anchors.set(node.anchor, node);
  }

  private tooMuch(name: string, depth: number): undefined {
    if (depth > YAML_DEPTH_LIMIT) {
      this.report(name, this.find(name, 'value'), 'Nested too deep', {
        expected: `at most ${YAML_DEPTH_LIMIT} levels, aliases followed`,
        hint: FLATTER,
      });
    } else if (this.nodes === YAML_NODE_LIMIT + 1) {
      this.report(name, this.find(name, 'value'), 'Too many values', {
        expected: `at most ${YAML_NODE_LIMIT}, aliases followed`,
        hint: 'aliases of aliases multiply; put long lists into files of their own',
      });
    }
    return undefined;
  }

  private tooManyAliases(name: string): undefined {
    if (this.aliases > YAML_ALIAS_LIMIT + 1) return undefined;
    this.report(name, this.find(name, 'value'), 'Too many aliases', {
      expected: `at most ${YAML_ALIAS_LIMIT}, those inside others counted each time`,
      hint: 'aliases of aliases multiply; put long lists into files of their own',
    });
    return undefined;
  }

  private map(pairs: readonly Pair<Node | null, Node | null>[], path: readonly Segment[], depth: number): Json {
    const entries = new Map<string, Json>();
    for (const pair of pairs) {
      const key = this.key(pair.key, path);
      if (key === undefined) continue;
      const at = [...path, key];
      const name = formatPath(at);
      const place = this.place(pair.key?.range?.[0] ?? 0, pair.key?.range?.[1]);
      if (entries.has(key)) {
        const first = this.keys.get(name)?.line;
        this.report(name, place, `The key '${shorten(key)}' stands twice in this map`, {
          hint: first === undefined ? 'remove one' : `the first is in line ${first}; remove one`,
        });
        continue;
      }
      if (!this.keys.has(name)) this.keys.set(name, place);
      if (pair.value === null && !this.values.has(name)) this.values.set(name, { ...place, value: '' });
      entries.set(key, this.node(pair.value, at, depth + 1) ?? null);
    }
    return Object.fromEntries(entries);
  }

  private key(node: Node | null, path: readonly Segment[]): string | undefined {
    const at = formatPath(path);
    const place = this.place(node?.range?.[0] ?? 0, node?.range?.[1]);
    if (node !== null) this.anchor(node);
    if (node === null || !isScalar(node) || node.value === null) {
      this.report(at, place, 'A key must be plain text', { hint: 'put quotes around it, or `key: value` on a line of its own' });
      return undefined;
    }
    const key = typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
    if (key === '__proto__' || !key.isWellFormed()) {
      this.report(at, place, `'${key.toWellFormed()}' can't be a key`, { hint: 'choose another name' });
      return undefined;
    }
    return key;
  }

  private scalar(node: Scalar, name: string): Json | undefined {
    const value = node.value;
    if (typeof value === 'number') {
      // A whole number in any notation (1e20 too) has one canonical form only within 2^53.
      if (Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))) return value === 0 ? 0 : value;
      const expected = Number.isFinite(value) ? 'whole numbers within ±(2^53 − 1)' : 'a finite number';
      this.report(name, this.find(name, 'value'), `${node.source ?? value} can't be kept exactly`, {
        expected,
        hint: 'put quotes around it to make it text',
      });
      return undefined;
    }
    if (typeof value === 'string') {
      if (value.isWellFormed()) return value;
      this.report(name, this.find(name, 'value'), 'The text holds half of a surrogate pair', {
        expected: 'well-formed Unicode',
        hint: 'write the character itself instead of \\uD8…',
      });
      return undefined;
    }
    return typeof value === 'boolean' ? value : null;
  }

  private report(path: string, place: Place, message: string, details: { expected?: string; hint?: string }): void {
    this.problems.push(problemAt(path, place, message, details));
  }

  /** Where the limit of the file is passed. */
  private passed(): Place {
    const before = this.text.slice(0, YAML_LIMIT);
    return { file: this.file, line: before.split('\n').length, column: YAML_LIMIT - before.lastIndexOf('\n') };
  }

  private place(start: number, end?: number): Place {
    const { line, col } = this.lines.linePos(start);
    const lineStart = this.lines.lineStarts[line - 1] ?? 0;
    const lineEnd = this.text.indexOf('\n', lineStart);
    const excerpt = this.text.slice(lineStart, lineEnd < 0 ? this.text.length : lineEnd).replace(/\r$/, '');
    return {
      file: this.file,
      line: Math.max(1, line),
      column: Math.max(1, col),
      excerpt: excerpt.length > EXCERPT_LIMIT ? `${excerpt.slice(0, EXCERPT_LIMIT - 1).toWellFormed()}…` : excerpt.toWellFormed(),
      ...(end === undefined || end <= start
        ? {}
        : { value: shorten(this.text.slice(start, Math.min(end, start + EXCERPT_LIMIT)).toWellFormed()) }),
    };
  }

  private find(path: string, part: 'key' | 'value'): Place {
    const exact = part === 'key' ? (this.keys.get(path) ?? this.values.get(path)) : (this.values.get(path) ?? this.keys.get(path));
    if (exact !== undefined) return exact;
    // A key may hold dots and brackets of its own, so what stands above is found by the text of the path.
    for (let above = path; above !== ''; ) {
      above = above.slice(0, Math.max(0, above.lastIndexOf('.'), above.lastIndexOf('[')));
      const place = this.keys.get(above) ?? this.values.get(above);
      if (place !== undefined) return { ...(place.file === undefined ? {} : { file: place.file }), ...positionOf(place) };
    }
    return { file: this.file };
  }
}

function positionOf(place: Place): Place {
  return {
    ...(place.line === undefined ? {} : { line: place.line }),
    ...(place.column === undefined ? {} : { column: place.column }),
    ...(place.excerpt === undefined ? {} : { excerpt: place.excerpt }),
  };
}
