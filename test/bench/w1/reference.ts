/**
 * What W1 must give, written plainly and apart from the engine: one record at a time, strings and one regular expression. Outputs are
 * compared by content (SHA-256 of text, score and category), since which of several equal records is kept is free.
 */
import { hash } from 'node:crypto';

export interface W1Output {
  readonly id: number;
  readonly text: string;
  readonly email: string | null;
  readonly score: number;
  readonly category: string;
  readonly label: string;
}

const LEAST_SCORE = 0.2;
const MAIL = /[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}/;
/** Scores have six decimals. */
const SCORE_UNIT = 1e6;

type Parsed = { readonly id: number; readonly text: string; readonly score: number; readonly category: string };

/** Lower-case ASCII letters, one space for each run of ASCII white space, none at the ends. */
export function normalised(text: string): string {
  return text
    .replace(/[A-Z]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 32))
    .replace(/[ \t\n\v\f\r]+/g, ' ')
    .replace(/^ | $/g, '');
}

export function firstMail(text: string): string | null {
  return MAIL.exec(text)?.[0] ?? null;
}

/** Names a content: equal for duplicates. */
export function contentDigest(record: Pick<W1Output, 'text' | 'score' | 'category'>): string {
  return hash('sha256', `${record.text}\u001f${Math.round(record.score * SCORE_UNIT)}\u001f${record.category}`, 'hex');
}

/** Takes the input line by line and knows what must come out. */
export class W1Reference {
  readonly labels: Readonly<Record<string, string>>;
  /** Content digests that must be published, each once. */
  readonly contents = new Set<string>();
  records = 0;
  malformed = 0;
  filtered = 0;

  constructor(labels: Readonly<Record<string, string>>) {
    this.labels = labels;
  }

  add(line: string): void {
    this.records++;
    const fate = fateOf(line);
    if (fate === 'malformed' || fate === 'filtered') this[fate]++;
    else this.contents.add(fate);
  }
}

/** What becomes of a line: the digest of its content, unless it is not published. */
export function fateOf(line: string): string {
  const record = parse(line);
  if (record === undefined) return 'malformed';
  return record.score < LEAST_SCORE ? 'filtered' : contentDigest({ ...record, text: normalised(record.text) });
}

function parse(line: string): Parsed | undefined {
  try {
    return JSON.parse(line) as Parsed;
  } catch {
    return undefined;
  }
}

/** How an output differs from the reference; all zero: exact. */
export interface W1Verdict {
  readonly ok: boolean;
  readonly outputs: number;
  readonly lost: number;
  readonly extra: number;
  readonly duplicates: number;
  readonly wrongFields: number;
  readonly deadLetters: number;
}

/** Takes an engine's outputs and judges them. */
export class W1Check {
  private readonly reference: W1Reference;
  private readonly seen = new Set<string>();
  private outputs = 0;
  private wrongFields = 0;
  private extra = 0;
  private deadLetters = 0;

  constructor(reference: W1Reference) {
    this.reference = reference;
  }

  output(record: W1Output): void {
    this.outputs++;
    const digest = contentDigest(record);
    if (!this.reference.contents.has(digest) && !this.seen.has(digest)) this.extra++;
    this.seen.add(digest);
    if (record.email !== firstMail(record.text) || record.label !== this.reference.labels[record.category]) this.wrongFields++;
  }

  deadLetter(): void {
    this.deadLetters++;
  }

  verdict(): W1Verdict {
    const { outputs, extra, wrongFields, deadLetters } = this;
    const duplicates = outputs - this.seen.size;
    const lost = this.reference.contents.size - (this.seen.size - extra);
    const ok = lost === 0 && extra === 0 && duplicates === 0 && wrongFields === 0 && deadLetters === this.reference.malformed;
    return { ok, outputs, lost, extra, duplicates, wrongFields, deadLetters };
  }
}
