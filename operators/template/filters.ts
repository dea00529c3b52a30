/**
 * The filters of templates. Their results are the same on every machine (law 1): white space is pinned, case exists for ASCII letters only, lengths
 * count code points. A null passes through every filter but `default` and `tojson`.
 */
import type { FieldType, Value } from '#kernel';
import { canonicalBytes, describeType, fromUtf8 } from '#kernel';
import { isRow, requiredType, toJson } from '../fields.ts';
import { countCodePoints, countWords } from '../text.ts';
import { trimWhite } from './tokens.ts';

/** Type of a value in a template; `none` is that of the literal. */
export type Known = FieldType | 'none';

export interface Filter {
  readonly name: string;
  /** For the reference. */
  readonly does: string;
  /** Fewest and most arguments. */
  readonly args: readonly [number, number];
  readonly takesNull: boolean;
  /** Type of the result (never optional by the input alone), or what the input or an argument should be. */
  type(of: Known, args: readonly Known[]): Known | { readonly expected: string };
  apply(value: Value, args: readonly Value[]): Value;
  /** Length of the result, where it may be far longer than what goes in: looked at before it is made. UTF-16 units. */
  lengthOf?(value: Value, args: readonly Value[]): number;
}

const utf8 = new TextEncoder();
const WRITABLE: readonly Known[] = ['string', 'long', 'double', 'boolean'];

/** Whether a template can write it: a text, number, truth value, or a list of these. */
export function hasTextForm(type: Known): boolean {
  if (type === 'none') return false;
  const plain = requiredType(type);
  const element = typeof plain === 'object' && 'array' in plain ? requiredType(plain.array) : plain;
  return WRITABLE.includes(element);
}

/** As templates write it; undefined where there is a null. Numbers in the shortest form that reads back the same. */
export function textOf(value: Value, separator = ', '): string | undefined {
  if (value === null) return undefined;
  if (!Array.isArray(value)) return String(value);
  const elements = value.map((element: Value) => textOf(element));
  return elements.includes(undefined) ? undefined : elements.join(separator);
}

const isList = (type: Known): type is { readonly array: FieldType } => typeof type === 'object' && 'array' in type;
const plainOf = (type: Known): Known => (type === 'none' ? type : requiredType(type));
const text = (value: Value | undefined): string => (typeof value === 'string' ? value : '');
const whole = (value: Value | undefined, otherwise: number): number => (typeof value === 'number' ? value : otherwise);

function onTexts(name: string, does: string, change: (value: string, args: readonly Value[]) => Value, result: Known = 'string'): Filter {
  return {
    name,
    does,
    args: [0, 0],
    takesNull: false,
    type: (of) => (plainOf(of) === 'string' ? result : { expected: 'a text' }),
    apply: (value, args) => change(text(value), args),
  };
}

function atEnd(name: string, does: string, at: number): Filter {
  return {
    name,
    does,
    args: [0, 0],
    takesNull: false,
    type: (of) => {
      const plain = plainOf(of);
      return isList(plain) ? { optional: requiredType(plain.array) } : { expected: 'a list' };
    },
    apply: (value) => (Array.isArray(value) ? (value.at(at) ?? null) : null),
  };
}

const upperAscii = (value: string): string => value.replaceAll(/[a-z]+/g, (letters) => letters.toUpperCase());
const lowerAscii = (value: string): string => value.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());

function countOf(value: Value): number {
  if (typeof value === 'string') return countCodePoints(utf8.encode(value));
  return Array.isArray(value) ? value.length : isRow(value) ? Object.keys(value).length : 0;
}

function occurrences(value: string, part: string): number {
  if (part === '') return value.length + 1;
  let count = 0;
  for (let at = value.indexOf(part); at >= 0; at = value.indexOf(part, at + part.length)) count++;
  return count;
}

function truncate(value: string, [most, killWords, end]: readonly Value[]): string {
  const limit = whole(most, TRUNCATE_CODE_POINTS);
  const tail = typeof end === 'string' ? end : '...';
  const points = [...value];
  if (points.length <= limit) return value;
  const cut = points.slice(0, Math.max(0, limit - [...tail].length)).join('');
  const space = cut.lastIndexOf(' ');
  return (killWords === true || space < 0 ? cut : cut.slice(0, space)) + tail;
}

/** As Jinja's: no character of it ends a tag, an attribute or a delimiter around it. */
const MARKUP: Readonly<Record<string, string>> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026', "'": '\\u0027' };

/** JSON text of a value, in which `<`, `>`, `&` and `'` are written as escapes. One line. */
export function fencedJson(value: Value): string {
  return fromUtf8(canonicalBytes(toJson(value))).replaceAll(
    /[<>&'\u2028\u2029]/g,
    (mark) => MARKUP[mark] ?? `\\u${mark.charCodeAt(0).toString(16)}`,
  );
}

/** Bytes have no form in JSON. */
export function holdsBytes(type: Known): boolean {
  if (typeof type === 'string') return type === 'bytes';
  if ('array' in type) return holdsBytes(type.array);
  if ('map' in type) return holdsBytes(type.map);
  return 'optional' in type ? holdsBytes(type.optional) : type.record.some((field) => holdsBytes(field.type));
}

/** Code points that `truncate` leaves when it is not told how many. */
const TRUNCATE_CODE_POINTS = 255;

export const FILTERS: readonly Filter[] = [
  onTexts('trim', 'takes white space away at both ends', trimWhite),
  onTexts('upper', 'ASCII letters in upper case', upperAscii),
  onTexts('lower', 'ASCII letters in lower case', lowerAscii),
  onTexts('wordcount', 'words of a text, as `length` counts them', (value) => countWords(utf8.encode(value)), 'long'),
  {
    ...onTexts(
      'truncate',
      'at most n code points (255), cut at a space unless the second argument is true, with `...` or the third at its end',
      truncate,
    ),
    args: [0, 3],
    type: (of, [most, kill, end]) => {
      if (plainOf(of) !== 'string') return { expected: 'a text' };
      const fits =
        (most === undefined || most === 'long') && (kill === undefined || kill === 'boolean') && (end === undefined || end === 'string');
      return fits ? 'string' : { expected: 'truncate(n, true or false, text)' };
    },
  },
  {
    ...onTexts('replace', 'every first text by the second', (value, [from, to]) => value.replaceAll(text(from), () => text(to))),
    args: [2, 2],
    type: (of, args) =>
      plainOf(of) === 'string' && args.every((arg) => arg === 'string') ? 'string' : { expected: 'a text, and two texts as arguments' },
    lengthOf: (value, [from, to]) => text(value).length + occurrences(text(value), text(from)) * text(to).length,
  },
  {
    name: 'length',
    does: 'code points of a text, elements of a list, entries of a map',
    args: [0, 0],
    takesNull: false,
    type: (of) => {
      const plain = plainOf(of);
      return plain === 'string' || isList(plain) || (typeof plain === 'object' && 'map' in plain)
        ? 'long'
        : { expected: 'a text, list or map' };
    },
    apply: countOf,
  },
  {
    name: 'join',
    does: 'the elements of a list, with the argument (nothing) between them',
    args: [0, 1],
    takesNull: false,
    type: (of, [separator = 'string']) =>
      isList(plainOf(of)) && hasTextForm(of) && separator === 'string'
        ? 'string'
        : { expected: 'a list of texts, numbers or truth values, and a text between them' },
    apply: (value, [separator]) => textOf(value, text(separator)) ?? null,
    lengthOf: (value, [separator]) =>
      Array.isArray(value) ? value.reduce((sum: number, one: Value) => sum + text(separator).length + (textOf(one)?.length ?? 0), 0) : 0,
  },
  atEnd('first', 'first element of a list, none for an empty one', 0),
  atEnd('last', 'last element of a list, none for an empty one', -1),
  {
    name: 'default',
    does: 'the argument in place of null; with `true` after it, also in place of an empty text, list or map, 0 and false',
    args: [1, 2],
    takesNull: true,
    type: (of, [value = 'none', falsy = 'boolean']) => {
      if (falsy !== 'boolean') return { expected: 'default(value, true or false)' };
      if (of === 'none') return value;
      const plain = requiredType(of);
      const fits = value === 'none' || JSON.stringify(plain) === JSON.stringify(value) || (plain === 'double' && value === 'long');
      return fits ? plain : { expected: `a default that is ${describeType(plain)}` };
    },
    apply: (value, [otherwise = null, falsy]) => (value === null || (falsy === true && !isTrue(value)) ? otherwise : value),
  },
  {
    name: 'tojson',
    does: "canonical JSON (RFC 8785) on one line, with `<`, `>`, `&` and `'` as escapes, so that nothing in it ends what stands around it",
    args: [0, 0],
    takesNull: true,
    type: (of) => (holdsBytes(of) ? { expected: 'a value without bytes' } : 'string'),
    apply: fencedJson,
  },
];

/** What a condition takes for true: anything but null, false, 0, an empty text, list or map. */
export function isTrue(value: Value): boolean {
  if (value === null || value === false || value === 0 || value === '') return false;
  return Array.isArray(value) ? value.length > 0 : isRow(value) ? Object.keys(value).length > 0 : true;
}
