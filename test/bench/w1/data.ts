/** W1's input on disk, made once and kept in the cache folder, and its reference. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, openSync, closeSync, readFileSync, writeSync, renameSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { W1_DIGESTS, W1Generator } from './generator.ts';
import { W1Reference } from './reference.ts';

/** Outside the sources; npm and tools leave it alone. */
export const CACHE = join(import.meta.dirname, '../../../node_modules/.cache/mizu-bench');
export const LABELS_FILE = join(import.meta.dirname, 'labels.json');
export const WORKFLOW_FILE = join(import.meta.dirname, 'workflow.yaml');

const LINES_PER_WRITE = 4000;

/** The file with the first `records` lines. @throws when a known count gives other bytes than the pinned ones. */
export function w1File(records: number): string {
  const path = join(CACHE, `w1-${records}.jsonl`);
  if (existsSync(path)) return path;
  mkdirSync(CACHE, { recursive: true });
  const part = `${path}.${process.pid}.part`;
  const digest = writeLines(part, records, new W1Generator());
  const expected = W1_DIGESTS[records];
  if (expected !== undefined && digest !== expected) {
    rmSync(part);
    throw new Error(`The generator made ${digest} for ${records} lines, expected ${expected}`);
  }
  renameSync(part, path);
  return path;
}

/** Makes a file of lines. @returns its SHA-256. */
export function writeLines(path: string, records: number, generator: W1Generator): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  for (let from = 0; from < records; from += LINES_PER_WRITE) {
    const count = Math.min(LINES_PER_WRITE, records - from);
    const bytes = Buffer.from(`${Array.from({ length: count }, (_, n) => generator.line(from + n)).join('\n')}\n`, 'utf8');
    hash.update(bytes);
    writeSync(file, bytes);
  }
  closeSync(file);
  return hash.digest('hex');
}

/** The lines of a file in memory, without their ends. */
export function linesOf(file: string): Uint8Array[] {
  const bytes = readFileSync(file);
  const lines: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

export async function w1Reference(file: string): Promise<W1Reference> {
  const reference = new W1Reference(JSON.parse(await readFile(LABELS_FILE, 'utf8')));
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) reference.add(line);
  return reference;
}
