/**
 * W1 with nothing but Node: one thread reads lines, parses, normalises, extracts, filters, looks up, drops repeats and writes lines. No log, no proofs, no
 * restart: what the work itself costs in this language. `node floor.ts IN OUT` writes OUT and, of malformed lines, OUT.dead; then one JSON object.
 */
import { hash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';

const CHUNK_BYTES = 1 << 20;
const LINE_FEED = 0x0a;
const SPACE = 0x20;
const LEAST_SCORE = 0.2;
/** Scores have six decimals. */
const SCORE_UNIT = 1e6;
/** Joined lines are written when they are so long, characters. */
const WRITE_LENGTH = 1 << 20;

const MAIL = /[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}/;
const CAPITALS = /[A-Z]/g;
const WHITE = /[ \t\n\v\f\r]+/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII is meant.
const ASCII = /^[\x00-\x7f]*$/;

interface Input {
  readonly id: number;
  readonly text: string;
  readonly score: number;
  readonly category: string;
}

/** Lines that are written some at a time. */
class LineFile {
  private readonly file: number;
  private lines: string[] = [];
  private length = 0;

  constructor(path: string) {
    this.file = openSync(path, 'w');
  }

  add(line: string): void {
    this.lines.push(line);
    this.length += line.length;
    if (this.length > WRITE_LENGTH) this.flush();
  }

  flush(): void {
    if (this.lines.length > 0) writeSync(this.file, `${this.lines.join('\n')}\n`);
    this.lines = [];
    this.length = 0;
  }

  close(): void {
    this.flush();
    closeSync(this.file);
  }
}

class Floor {
  private readonly labels: ReadonlyMap<string, string>;
  private readonly seen = new Set<string>();
  private readonly out: LineFile;
  private readonly dead: LineFile;
  records = 0;
  failed = 0;

  constructor(labels: ReadonlyMap<string, string>, out: LineFile, dead: LineFile) {
    this.labels = labels;
    this.out = out;
    this.dead = dead;
  }

  take(line: string): void {
    this.records++;
    const input = parsed(line);
    if (input === undefined) {
      this.failed++;
      this.dead.add(line);
      return;
    }
    const text = normalised(input.text);
    const email = MAIL.exec(text)?.[0] ?? null;
    if (input.score < LEAST_SCORE) return;
    const label = this.labels.get(input.category);
    const key = hash('sha256', `${text}\u001f${Math.round(input.score * SCORE_UNIT)}\u001f${input.category}`, 'hex');
    if (this.seen.has(key)) return;
    this.seen.add(key);
    this.out.add(JSON.stringify({ id: input.id, text, score: input.score, category: input.category, email, label }));
  }
}

function parsed(line: string): Input | undefined {
  try {
    return JSON.parse(line) as Input;
  } catch {
    return undefined;
  }
}

function normalised(text: string): string {
  // Only ASCII letters change; `toLowerCase` is the faster way where there are no others.
  const lower = ASCII.test(text) ? text.toLowerCase() : text.replace(CAPITALS, (letter) => letter.toLowerCase());
  const spaced = lower.replace(WHITE, ' ');
  const start = spaced.charCodeAt(0) === SPACE ? 1 : 0;
  const end = spaced.charCodeAt(spaced.length - 1) === SPACE ? spaced.length - 1 : spaced.length;
  return spaced.slice(start, Math.max(start, end));
}

function eachLine(path: string, take: (line: string) => void): void {
  const file = openSync(path, 'r');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let rest: Buffer = Buffer.alloc(0);
  for (let size = readSync(file, chunk); size > 0; size = readSync(file, chunk)) {
    const bytes = rest.length === 0 ? chunk.subarray(0, size) : Buffer.concat([rest, chunk.subarray(0, size)]);
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
      take(bytes.toString('utf8', start, end));
      start = end + 1;
    }
    rest = Buffer.from(bytes.subarray(start));
  }
  closeSync(file);
}

const [input = '', output = ''] = process.argv.slice(2);
const labels = new Map(Object.entries(JSON.parse(readFileSync(new URL('labels.json', import.meta.url), 'utf8')) as Record<string, string>));
const started = performance.now();
const [out, dead] = [new LineFile(output), new LineFile(`${output}.dead`)];
const floor = new Floor(labels, out, dead);
eachLine(input, (line) => floor.take(line));
out.close();
dead.close();
const seconds = (performance.now() - started) / 1000;
process.stdout.write(`${JSON.stringify({ records: floor.records, failed: floor.failed, seconds })}\n`);
