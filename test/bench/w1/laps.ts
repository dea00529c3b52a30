/**
 * W1 without end: one file that is fed lap after lap, with ids that go on. Repeats take their content from some records before, so that they fall
 * into a window of tasks, and a lap is far longer than the window, so that its records come out again in the next one. Whatever the cuts are, of
 * each group of equal records one must be published in every lap.
 */
import { createReadStream, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { CACHE, writeLines } from './data.ts';
import { W1_SEED, W1Generator } from './generator.ts';
import { fateOf } from './reference.ts';

const LAP_RECORDS = 1_000_000;
/** Records between a repeat and what it repeats, at most. */
export const REPEAT_REACH = 64;

const INT_BYTES = 4;
const MALFORMED = -1;
const FILTERED = -2;

/** What must become of so many records. */
interface LapCounts {
  readonly malformed: number;
  readonly filtered: number;
}

export class Laps {
  readonly file: string;
  /** An int of four bytes, big-endian, for each line: the number of its group, or less than 0 if it is not published. */
  readonly groupsFile: string;
  private readonly groups: Int32Array;

  private constructor(file: string, groupsFile: string, groups: Int32Array) {
    this.file = file;
    this.groupsFile = groupsFile;
    this.groups = groups;
  }

  /** Both files are made once and kept in the folder. */
  static async open(records = LAP_RECORDS, folder = CACHE): Promise<Laps> {
    const file = join(folder, `laps-${REPEAT_REACH}-${records}.jsonl`);
    const groupsFile = `${file}.groups`;
    await keep(file, (part) => writeLines(part, records, new W1Generator(W1_SEED, REPEAT_REACH)));
    await keep(groupsFile, async (part) => writeFileSync(part, await groupsOf(file, records)));
    const bytes = readFileSync(groupsFile);
    const groups = Int32Array.from({ length: records }, (_, i) => bytes.readInt32BE(i * INT_BYTES));
    return new Laps(file, groupsFile, groups);
  }

  counts(records: number): LapCounts {
    const [whole, rest] = [Math.floor(records / this.groups.length), records % this.groups.length];
    const count = (kind: number): number => {
      let [lap, begun] = [0, 0];
      for (const [i, group] of this.groups.entries()) {
        if (group !== kind) continue;
        lap++;
        if (i < rest) begun++;
      }
      return whole * lap + begun;
    };
    return { malformed: count(MALFORMED), filtered: count(FILTERED) };
  }
}

/** Makes a file unless it is there; one that is there is whole. */
async function keep(path: string, make: (part: string) => unknown): Promise<void> {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}.part`;
  await make(part);
  renameSync(part, path);
}

/** Equal records have the number of the first of them. */
async function groupsOf(file: string, records: number): Promise<Buffer> {
  const groups = Buffer.alloc(records * INT_BYTES);
  const firsts = new Map<string, number>();
  let i = 0;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    groups.writeInt32BE(groupOf(fateOf(line), i, firsts), i * INT_BYTES);
    i++;
  }
  return groups;
}

function groupOf(fate: string, i: number, firsts: Map<string, number>): number {
  if (fate === 'malformed') return MALFORMED;
  if (fate === 'filtered') return FILTERED;
  const first = firsts.get(fate) ?? i;
  firsts.set(fate, first);
  return first;
}
