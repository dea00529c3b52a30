/** Damages a workflow as text or as bytes: what editors, copies, transfers and people do to a file. */
import { NOISE, ODD_NUMBERS, oddText, pickOf, type Choices } from './odd-values.ts';

type TextMutation = (text: string, choices: Choices, other: string) => string;

const at = (choices: Choices, length: number): number => choices.whole(0, Math.max(0, length - 1));

function changeLines(text: string, change: (lines: string[]) => void): string {
  const lines = text.split('\n');
  change(lines);
  return lines.join('\n');
}

function replaceOne(text: string, pattern: RegExp, choices: Choices, by: (found: string) => string): string {
  const found = [...text.matchAll(pattern)];
  const match = pickOf(choices, found);
  return match === undefined ? text : text.slice(0, match.index) + by(match[0]) + text.slice(match.index + match[0].length);
}

const TEXT_MUTATIONS: readonly TextMutation[] = [
  // Some characters are missing.
  (text, choices) => {
    const start = at(choices, text.length);
    return text.slice(0, start) + text.slice(start + choices.whole(1, 8));
  },
  // Something stands where it should not.
  (text, choices) => {
    const start = at(choices, text.length);
    return text.slice(0, start) + (pickOf(choices, NOISE) ?? '') + text.slice(start);
  },
  (text, choices) => replaceOne(text, /[\w.-]+/g, choices, () => pickOf(choices, NOISE) ?? ''),
  (text, choices) => replaceOne(text, /[\w.-]+/g, choices, () => oddText(choices)),
  (text, choices) => replaceOne(text, /[\w.-]+/g, choices, () => JSON.stringify(oddText(choices))),
  (text, choices) => replaceOne(text, /-?\d+(?:\.\d+)?/g, choices, () => pickOf(choices, ODD_NUMBERS) ?? ''),
  (text, choices) => replaceOne(text, /[\w.-]+(?=:)/g, choices, (key) => key + key),
  // Words change places.
  (text, choices) => {
    const words = text.split(/\b/);
    const [a, b] = [at(choices, words.length), at(choices, words.length)];
    [words[a], words[b]] = [words[b] ?? '', words[a] ?? ''];
    return words.join('');
  },
  // Lines go, come twice, change places, or move in and out.
  (text, choices) => changeLines(text, (lines) => void lines.splice(at(choices, lines.length), choices.whole(1, 3))),
  (text, choices) => changeLines(text, (lines) => void lines.splice(at(choices, lines.length), 0, pickOf(choices, lines) ?? '')),
  (text, choices) =>
    changeLines(text, (lines) => {
      const [a, b] = [at(choices, lines.length), at(choices, lines.length)];
      [lines[a], lines[b]] = [lines[b] ?? '', lines[a] ?? ''];
    }),
  (text, choices) =>
    changeLines(text, (lines) => {
      const n = at(choices, lines.length);
      const line = lines[n] ?? '';
      lines[n] = choices.whole(0, 1) === 0 ? ' '.repeat(choices.whole(1, 5)) + line : line.replace(/^ {1,2}/, '');
    }),
  // Pieces of another workflow.
  (text, choices, other) => {
    const start = at(choices, text.length);
    const from = at(choices, other.length);
    return text.slice(0, start) + other.slice(from, from + choices.whole(1, 200)) + text.slice(start);
  },
  (text, choices, other) => text.slice(0, at(choices, text.length)) + other.slice(at(choices, other.length)),
  (text, choices, other) => (choices.whole(0, 1) === 0 ? `${text}${other}` : `${text}---\n${other}`),
  // The file as a whole.
  (text, choices) => text.slice(0, at(choices, text.length)),
  (text) => text.replaceAll('\n', '\r\n'),
  (text) => text.replaceAll('\n', '\r'),
  (text) => `\uFEFF${text}`,
  (text) => text.replaceAll('  ', '\t'),
  (text, choices) => text.repeat(choices.whole(2, 6)),
  // Bombs.
  (text, choices) => `${text}deep: ${'['.repeat(choices.whole(50, 3_000))}\n`,
  (text, choices) => {
    const depth = choices.whole(50, 500);
    return `${text}deep:\n${Array.from({ length: depth }, (_, n) => `${' '.repeat(n + 1)}a:\n`).join('')}`;
  },
  (text, choices) => {
    const [width, levels] = [choices.whole(2, 12), choices.whole(2, 20)];
    const bomb = Array.from({ length: levels }, (_, n) => `b${n + 1}: &b${n + 1} [${`*b${n},`.repeat(width)}]\n`).join('');
    return `b0: &b0 [x]\n${bomb}${text}`;
  },
  (text, choices) => text + Array.from({ length: choices.whole(1, 12) ** 3 }, (_, n) => `k${n}: 1\n`).join(''),
  (text, choices) => text + '  - length: { field: body }\n'.repeat(choices.whole(1, 9) ** 3),
];

export function mutateText(text: string, choices: Choices, other: string): string {
  return pickOf(choices, TEXT_MUTATIONS)?.(text, choices, other) ?? text;
}

type ByteMutation = (bytes: Uint8Array, choices: Choices) => Uint8Array;

const ODD_BYTES = [0x00, 0x09, 0x0a, 0x0d, 0x1b, 0x7f, 0x80, 0xbf, 0xc0, 0xc3, 0xe2, 0xed, 0xf0, 0xf4, 0xfe, 0xff] as const;

const BYTE_MUTATIONS: readonly ByteMutation[] = [
  (bytes, choices) => {
    const copy = bytes.slice();
    const place = at(choices, copy.length);
    copy[place] = (copy[place] ?? 0) ^ (1 << choices.whole(0, 7));
    return copy;
  },
  (bytes, choices) => {
    const copy = bytes.slice();
    copy[at(choices, copy.length)] = pickOf(choices, ODD_BYTES) ?? 0;
    return copy;
  },
  (bytes, choices) => {
    const place = at(choices, bytes.length);
    return Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + choices.whole(1, 16))]);
  },
  (bytes, choices) => bytes.slice(0, at(choices, bytes.length)),
  (bytes) => Buffer.from(Buffer.from(bytes).toString('utf8'), 'utf16le'),
];

export function mutateBytes(bytes: Uint8Array, choices: Choices): Uint8Array {
  return pickOf(choices, BYTE_MUTATIONS)?.(bytes, choices) ?? bytes;
}
