/**
 * Exports a run: its records in canonical order as data files, the program, a dataset card, and signed provenance. Each file
 * appears whole under its name or not at all; the same run gives the same data files (law 1). Card and provenance name the run's tree
 * and keys, and hold no clock value. Of a run that goes on it takes what is under the newest signed head, of one with a retention what is left; card and provenance
 * then name the tasks.
 */
import { join } from 'node:path';
import type { DeployedRun, Log, PublishedExtent, Signer, TaskRange } from '#engine';
import { encodeProgram, fileSource, MizuError, provenance, publishedExtent, publishedRecords, signStatement, utf8 } from '#engine';
import type { ExportFormat, RecordWriter, WrittenFile } from '#connectors/files';
import { openRecordWriter, writeDatasetCard } from '#connectors/files';
import { stepCounts } from './step-counts.ts';
import { writeFileWhole } from './write-file-whole.ts';

/** The program as canonical JSON: its SHA-256 is the program's digest. */
export const PROGRAM_FILE = 'program.json';
/** One DSSE envelope a line (in-toto attestation bundle). */
export const PROVENANCE_FILE = 'provenance.intoto.jsonl';
const BUILD_TYPE = 'urn:mizu:run:v1';

export interface ExportRunOptions {
  readonly log: Log;
  readonly run: DeployedRun;
  readonly formats: readonly ExportFormat[];
  /** Made if it is not there; files of the same names are replaced. */
  readonly dir: string;
  readonly signer: Signer;
  /** See `RecordWriterOptions`. */
  readonly guardFormulas?: boolean | undefined;
  readonly signal: AbortSignal;
  readonly onRecord?: ((written: number) => void) | undefined;
}

export interface ExportedRun {
  readonly records: number;
  /** Data files, program, card and provenance, in this order. */
  readonly files: readonly WrittenFile[];
  readonly extent: PublishedExtent;
  /** Id of the first record; undefined for an empty set. */
  readonly firstId: string | undefined;
}

/**
 * @throws CHECK_FAILED for a run of which nothing is signed yet, SOURCE_UNAVAILABLE for one of which no record is left; FILE_UNWRITABLE, INTERRUPTED, and what the log
 * throws; then no data file was named.
 */
export async function exportRun(options: ExportRunOptions): Promise<ExportedRun> {
  const { log, run, dir } = options;
  const extent = await publishedExtent(log, run);
  const { range, summary, tree } = extent;
  if (range === undefined && !extent.whole) throw nothingLeft(run);
  const data = await writeRecords(options, range, extent.counts.accepted);
  const program = writeFileWhole(join(dir, PROGRAM_FILE), encodeProgram(run.program));
  const card = writeDatasetCard({
    dir,
    name: run.run.name,
    ...(extent.whole ? {} : { description: partText(extent) }),
    files: [...data.files, program],
    schema: run.program.published,
    steps: stepCounts(run.program, extent.steps),
    counts: extent.whole && summary !== undefined ? summary : extent.counts,
    program: run.digest,
    root: tree.root,
    treeSize: tree.size,
    verifierKey: tree.verifierKey,
    commands: checkCommands(run, extent, data.firstId),
  });
  const made = [...data.files, program, card];
  const statement = provenanceOf(log, run, extent, made);
  const attested = writeFileWhole(join(dir, PROVENANCE_FILE), utf8(`${signStatement(statement, [options.signer])}\n`));
  return { records: data.records, files: [...made, attested], extent, firstId: data.firstId };
}

function partText({ range, summary }: PublishedExtent): string {
  const tasks = `These are the records of tasks ${range?.from ?? 0}..${range?.to ?? 0}`;
  return summary === undefined ? `${tasks} of a run that goes on.` : `${tasks} of the run; its log has forgotten those before.`;
}

function nothingLeft({ run }: DeployedRun): MizuError {
  return new MizuError(
    'SOURCE_UNAVAILABLE',
    `The log has forgotten every task of '${run.name}/${run.generation}' that is under a signed head`,
    {
      component: run.name,
      hint: 'Export it within its `retention`, or give it a longer one.',
    },
  );
}

interface WrittenData {
  readonly records: number;
  readonly files: readonly WrittenFile[];
  readonly firstId: string | undefined;
}

async function writeRecords(
  { log, run, formats, dir, guardFormulas, signal, onRecord }: ExportRunOptions,
  range: TaskRange | undefined,
  expected: number,
): Promise<WrittenData> {
  const shape = { dir, name: run.run.name, schema: run.program.published, guardFormulas: guardFormulas ?? false };
  const writers: RecordWriter[] = [];
  let records = 0;
  let firstId: string | undefined;
  try {
    for (const format of formats) writers.push(await openRecordWriter(format, shape));
    for await (const { id, row } of publishedRecords(log, run, range)) {
      if (signal.aborted) throw new MizuError('INTERRUPTED', 'The export was stopped; it left no files', { hint: 'Start it again.' });
      firstId ??= id;
      for (const writer of writers) writer.write(row, id);
      records++;
      onRecord?.(records);
    }
    if (records !== expected) {
      throw new MizuError('LOG_CORRUPT', `The log holds ${records} published records of ${run.run.name}, its leaves say ${expected}`, {
        component: run.run.name,
        hint: 'Check the run: mizu verify.',
      });
    }
    const files: WrittenFile[] = [];
    for (let writer = writers[0]; writer !== undefined; writer = writers[0]) {
      files.push(...(await writer.close()).files);
      writers.shift();
    }
    return { records, files, firstId };
  } catch (error) {
    for (const writer of writers) writer.discard();
    throw error;
  }
}

function checkCommands({ run }: DeployedRun, { tree, range, whole }: PublishedExtent, firstId: string | undefined) {
  const tasks = whole || range === undefined ? '' : ` --tasks ${range.from}..${range.to}`;
  return [
    {
      command: `mizu verify ${run.name}/${run.generation} --verifier-key '${tree.verifierKey}'`,
      shows: 'Signatures, tree, inclusion and counts, on the log of the run',
    },
    {
      command: `mizu replay ${run.name}/${run.generation}${tasks}`,
      shows: 'Every operation executed again and compared, on the log of the run',
    },
    ...(firstId === undefined
      ? []
      : [
          { command: `mizu show ${firstId}`, shows: 'The story of one record' },
          {
            command: `mizu prove ${firstId} --out record.tlog-proof && mizu verify record.tlog-proof --verifier-key '${tree.verifierKey}'`,
            shows: 'A proof of one record, checked without the log',
          },
        ]),
  ];
}

function provenanceOf(log: Log, { run, program, digest }: DeployedRun, extent: PublishedExtent, files: readonly WrittenFile[]) {
  const inputs = Object.entries(program.data).map(([name, data]) => ({ name, digest: { sha256: data.digest as string } }));
  const source = fileSource(program);
  const { tree, range, whole } = extent;
  return provenance({
    subjects: files.map(({ name, sha256 }) => ({ name, sha256 })),
    buildType: BUILD_TYPE,
    externalParameters: {
      program: { name: PROGRAM_FILE, digest: { sha256: digest } },
      seed: program.seed,
      ...(program.accept === undefined ? {} : { accept: program.accept }),
      ...(whole || range === undefined ? {} : { tasks: [range.from, range.to] }),
    },
    resolvedDependencies: source === undefined ? inputs : [...inputs, { name: 'source', digest: { sha256: source.digest } }],
    builderId: `urn:mizu:network:${log.network}`,
    invocationId: `${run.name}/${run.generation}`,
    byproducts: [
      {
        name: `tree of ${tree.size} leaves, checkpoint origin ${log.network}/${run.name}/${run.generation}`,
        digest: { 'rfc6962-sha256': tree.root },
      },
    ],
  });
}
