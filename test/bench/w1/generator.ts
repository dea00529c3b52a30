/**
 * The records of workload W1: JSON lines of about 1 KB, of which 0.1 % are cut in half (malformed) and 20 % repeat the content of an earlier
 * one. Every line is a function of (seed, i) in 32-bit integers and IEEE doubles, so any program that follows the recipe makes the same bytes.
 */

export const W1_SEED = 42;
export const W1_PARTITIONS = 8;

/** SHA-256 of the first so many lines under W1_SEED, LF after each. */
export const W1_DIGESTS: Readonly<Record<number, string>> = {
  200000: '500dfe6c090908a76b7b0491e119447af3f8c95c94f143b1073fccb73470ba9d',
  1000000: '3c80abe3ae492babb71c2194fe7e7075da705c1f03f98264b67f06372fcf644b',
};

const VOCABULARY_SEED = 0x5eed;
const LABEL_SEED = 0x1ab31;
const WORDS = 5000;
/** Words from here on end in a letter beyond ASCII. */
const ASCII_WORDS = 4990;
const CATEGORIES = 1000;
const CONSONANTS = 'bcdfghjklmnprstvwxyz';
const VOWELS = 'aeiou';

/** Next double in [0, 1). */
type Random = () => number;

/** mulberry32 (T. Ettinger): 32 bits of state, one multiplication-xor round per number. */
function mulberry32(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Finaliser of MurmurHash3 (fmix32). */
function mix(value: number): number {
  let h = value;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h | 0;
}

const below = (random: Random, n: number): number => Math.floor(random() * n);

function vocabulary(): readonly string[] {
  const random = mulberry32(VOCABULARY_SEED);
  const words = new Set<string>();
  while (words.size < WORDS) {
    let word = '';
    for (let syllables = 1 + below(random, 4); syllables > 0; syllables--)
      word += `${CONSONANTS[below(random, 20)]}${VOWELS[below(random, 5)]}`;
    if (random() < 0.5) word += CONSONANTS[below(random, 20)];
    if (words.size >= ASCII_WORDS) word += words.size === WORDS - 1 ? 'ł' : 'é';
    words.add(word);
  }
  return [...words];
}

/** Sums of the weights 1/1, 1/2, …: Zipf's law with exponent 1. */
function zipfSums(): Float64Array {
  const sums = new Float64Array(CATEGORIES);
  let sum = 0;
  for (let k = 0; k < CATEGORIES; k++) {
    sum += 1 / (k + 1);
    sums[k] = sum;
  }
  return sums;
}

function upperAscii(text: string): string {
  return text.replace(/[a-z]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) - 32));
}

const categoryName = (k: number): string => `cat${String(k).padStart(4, '0')}`;

export class W1Generator {
  private readonly words = vocabulary();
  private readonly sums = zipfSums();
  private readonly seed: number;
  private readonly reach: number;

  /** @param reach how many records back a repeat takes its content from, at most; not part of W1, where it may be the first. */
  constructor(seed = W1_SEED, reach = Number.POSITIVE_INFINITY) {
    this.seed = seed >>> 0;
    this.reach = reach;
  }

  /** The 1,000-row table that records are enriched from: category → label. */
  labels(): Readonly<Record<string, string>> {
    const random = mulberry32(LABEL_SEED);
    const rows = Array.from({ length: CATEGORIES }, (_, k): [string, string] => {
      const first = this.words[below(random, ASCII_WORDS)];
      return [categoryName(k), `${first}-${this.words[below(random, ASCII_WORDS)]}`];
    });
    return Object.fromEntries(rows);
  }

  /** Line i without its line end. */
  line(i: number): string {
    const { malformed } = this.flags(i);
    const whole = `{"id":${i},${this.content(this.root(i))}}`;
    return malformed ? whole.slice(0, whole.length >> 1) : whole;
  }

  private stream(purpose: number, i: number): Random {
    return mulberry32(mix(mix(this.seed ^ Math.imul(purpose, 0x9e3779b9)) ^ Math.imul(i + 1, 0x85ebca77)));
  }

  private flags(i: number): { readonly malformed: boolean; readonly source: number | undefined } {
    const random = this.stream(1, i);
    const malformed = random() < 0.001;
    const repeats = random() < 0.2 && i > 0;
    const first = Math.max(0, i - this.reach);
    return { malformed, source: repeats ? first + below(random, i - first) : undefined };
  }

  /** The record whose content record i has. */
  private root(i: number): number {
    const { source } = this.flags(i);
    return source === undefined ? i : this.root(source);
  }

  private category(u: number): string {
    const point = u * (this.sums[CATEGORIES - 1] ?? 0);
    let low = 0;
    let high = CATEGORIES - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.sums[middle] ?? 0) > point) high = middle;
      else low = middle + 1;
    }
    return categoryName(low);
  }

  private content(i: number): string {
    const random = this.stream(2, i);
    const target = 819 + below(random, 411) - 75;
    const score = below(random, 1e6);
    const category = this.category(random());
    const hasMail = random() < 0.3;
    const mailAt = hasMail ? below(random, 600) : Number.POSITIVE_INFINITY;
    const text = this.text(random, target, mailAt);
    return `"text":${JSON.stringify(text)},"score":0.${String(score).padStart(6, '0')},"category":"${category}"`;
  }

  private text(random: Random, target: number, mailAt: number): string {
    let text = '';
    let bytes = 0;
    let mailDue = mailAt !== Number.POSITIVE_INFINITY;
    while (bytes < target) {
      if (text !== '') {
        const gap = separator(random());
        text += gap;
        bytes += gap.length;
      }
      if (mailDue && bytes >= mailAt) {
        mailDue = false;
        const mail = this.mail(random);
        text += mail;
        bytes += mail.length;
        continue;
      }
      const n = below(random, WORDS);
      const word = this.words[n] ?? '';
      bytes += word.length + (n >= ASCII_WORDS ? 1 : 0);
      text += cased(word, random());
    }
    return text;
  }

  private mail(random: Random): string {
    const word = (): string => this.words[below(random, ASCII_WORDS)] ?? '';
    const name = `${word()}.${word()}${below(random, 100)}`;
    const mail = `${name}@${word()}.example`;
    return random() < 0.2 ? upperAscii(mail.slice(0, 1)) + mail.slice(1) : mail;
  }
}

function separator(u: number): string {
  if (u < 0.9) return ' ';
  if (u < 0.96) return '  ';
  return u < 0.98 ? '\t' : '\n';
}

function cased(word: string, u: number): string {
  if (u < 0.02) return upperAscii(word);
  return u < 0.12 ? upperAscii(word.slice(0, 1)) + word.slice(1) : word;
}
