/**
 * The README.md of an exported data set, in the form of a Hugging Face dataset card: YAML between `---` lines, then Markdown. It says how the data was
 * made and how anyone checks it. It holds no clock value and no path, so the same run gives the same card (law 1).
 */
import { stringify } from 'yaml';
import { describeType } from '#kernel';
import type { Schema } from '#kernel';
import { AtomicFile, type WrittenFile } from './atomic-file.ts';

export interface DatasetCard {
  readonly dir: string;
  /** Name of the run. */
  readonly name: string;
  readonly description?: string;
  readonly files: readonly WrittenFile[];
  readonly schema: Schema;
  /** In order; `in` and `kept` where they are known. */
  readonly steps: readonly {
    readonly id: string;
    readonly op: string;
    readonly in?: number;
    readonly kept?: number;
    readonly summary?: string;
  }[];
  readonly counts: {
    readonly candidates: number;
    readonly accepted: number;
    /** Absent where it is not known. */
    readonly corrected?: number;
    readonly duplicates: number;
    readonly failed: number;
    /** By step id. */
    readonly rejected: Readonly<Record<string, number>>;
  };
  /** Digest of the program, hexadecimal. */
  readonly program: string;
  /** Root of the tree of proofs, hexadecimal, and its number of leaves. */
  readonly root: string;
  readonly treeSize: number;
  /** C2SP note verifier key, `name+hash+key`. */
  readonly verifierKey: string;
  /** Shell commands, each with what it shows. */
  readonly commands: readonly { readonly command: string; readonly shows: string }[];
}

/** Upper bounds of the size categories of the Hugging Face hub. */
const SIZE_CATEGORIES: readonly (readonly [below: number, name: string])[] = [
  [1e3, 'n<1K'],
  [1e4, '1K<n<10K'],
  [1e5, '10K<n<100K'],
  [1e6, '100K<n<1M'],
  [1e7, '1M<n<10M'],
  [1e8, '10M<n<100M'],
  [1e9, '100M<n<1B'],
];
const LARGEST_CATEGORY = 'n>1B';
/** The hub would load every file named: the first of these that there is stands for all. */
const PREFERRED_ENDINGS = ['.parquet', '.jsonl', '.csv'];

/** Writes README.md. @throws FILE_UNWRITABLE. */
export function writeDatasetCard(card: DatasetCard): WrittenFile {
  const file = new AtomicFile(card.dir, 'README.md');
  file.write(Buffer.from(datasetCard(card)));
  return file.close();
}

/** The text of the card. */
export function datasetCard(card: DatasetCard): string {
  return [
    `---\n${frontMatter(card)}---`,
    `# ${card.name}`,
    card.description?.trim() ?? '',
    'Every record here was made and checked by a recorded program; anyone can verify the proofs, replay the run, or prove a single record.',
    `## How it was made\n\n${stepsTable(card)}\n\nProgram: \`${card.program}\``,
    `## Counts\n\n${countsTable(card)}`,
    `## Fields\n\n${table(['field', 'type'], [['_id', 'string (record id)'], ...card.schema.map((f) => [f.name, describeType(f.type)])])}`,
    `## Files\n\n${table(
      ['file', 'bytes', 'SHA-256'],
      card.files.map((f) => [f.name, String(f.bytes), f.sha256]),
    )}`,
    `## How to verify\n\n${verification(card)}`,
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

function frontMatter({ name, files, counts }: DatasetCard): string {
  const data = PREFERRED_ENDINGS.map((ending) => files.find((file) => file.name.endsWith(ending))).find((file) => file !== undefined);
  const size = SIZE_CATEGORIES.find(([below]) => counts.accepted < below)?.[1] ?? LARGEST_CATEGORY;
  const configs = data === undefined ? [] : [{ config_name: 'default', data_files: [{ split: 'train', path: data.name }] }];
  return stringify({ license: 'unknown', pretty_name: name, size_categories: [size], tags: ['mizu'], configs });
}

function stepsTable({ steps }: DatasetCard): string {
  const count = (n: number | undefined): string => (n === undefined ? '' : String(n));
  const rows = steps.map((step, i) => [String(i + 1), step.id, step.op, count(step.in), count(step.kept), step.summary ?? '']);
  return table(['#', 'step', 'operation', 'in', 'kept', 'what it does'], rows);
}

function countsTable({ counts }: DatasetCard): string {
  const rejected = Object.entries(counts.rejected).sort(([a], [b]) => (a < b ? -1 : 1));
  return table(
    ['records', 'count'],
    [
      ['candidates', String(counts.candidates)],
      ['accepted', String(counts.accepted)],
      ...(counts.corrected === undefined ? [] : [['of them corrected', String(counts.corrected)]]),
      ...rejected.map(([step, count]) => [`rejected by ${step}`, String(count)]),
      ['duplicates', String(counts.duplicates)],
      ['failed', String(counts.failed)],
    ],
  );
}

function verification({ root, treeSize, verifierKey, commands }: DatasetCard): string {
  const facts = table(
    ['', ''],
    [
      ['tree root', root],
      ['leaves', String(treeSize)],
      ['verifier key', verifierKey],
    ],
  );
  const shown = commands.map(({ command, shows }) => `${shows}:\n\n\`\`\`sh\n${command}\n\`\`\``);
  return [facts, ...shown].join('\n\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** A cell holds no line end and no bare pipe. */
function cell(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll('|', '\\|')
    .replaceAll(/\r?\n|\r/g, ' ');
}
