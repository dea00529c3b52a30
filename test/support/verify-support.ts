/** Runs for the suites of the auditor: each is made once, then read, changed and checked by many tests. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { openEmbeddedLog, openLocalStorage } from '#connectors/embedded';
import {
  type DeployedRun,
  type RecordedGateway,
  type Log,
  MizuError,
  parseRecordId,
  type Registry,
  type ReplayReport,
  readRun,
  recordStory,
  replayRun,
  type RunSummary,
  type Story,
} from '#engine';
import { openLog, registry, WORKER_URL } from '#topologies';
import type { PlainWorkflow } from './oracle.ts';
import { workflowFiles } from './random-workflow.ts';
import { LocalExecutor, quickFolder, type RunSettings, runCompiled, withWorkflow } from './run-support.ts';
import { COUNTED, STREAMED } from './run-support-workflows.ts';

/** Every record is rejected. */
const REJECTED: PlainWorkflow = {
  ...STREAMED,
  verify: [{ op: 'length', id: 'long', params: { field: 'body', codepoints: [100, 200] }, flag: false }],
};
/** One candidate: the smallest run there is, as a source without records is refused. */
const SINGLE: PlainWorkflow = { ...STREAMED, source: (STREAMED.source ?? []).slice(0, 1) };
/** Published from eight partitions, with corrected and flagged records and no keyed op before the publication. */
const PLAIN: PlainWorkflow = {
  ...COUNTED,
  partitions: 8,
  budget: 60,
  verify: COUNTED.verify.slice(0, 3),
};

/** The exact count is reached in the middle of a task. */
const REACHED: PlainWorkflow = { ...COUNTED, accept: 9 };

export const RUNS = {
  reached: REACHED,
  counted: COUNTED,
  streamed: STREAMED,
  rejected: REJECTED,
  single: SINGLE,
  plain: withoutCount(PLAIN),
};

function withoutCount({ accept: _, ...rest }: PlainWorkflow): PlainWorkflow {
  return rest;
}

/** Seventy tasks: a head is signed in the middle of the run, too. */
export const LONG: PlainWorkflow = { ...RUNS.plain, partitions: 1, budget: 140, taskSize: 2 };

/** Folders of the runs of this test file. A hook can't be added by a hook or a test, so one stands here for all. */
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export interface MadeRun {
  /** Folder of its log. */
  readonly directory: string;
  readonly summary: RunSummary;
}

/** A folder for the log of a run, removed when the test file is done. */
export function runFolder(): string {
  const directory = quickFolder();
  folders.push(directory);
  return directory;
}

/** Runs a workflow on a new log, named `w`, and closes the log. Removed when the test file is done. */
export async function makeRun(workflow: PlainWorkflow, settings: Partial<RunSettings> = {}): Promise<MadeRun> {
  return makeRunOf(workflowFiles(workflow), settings);
}

export async function makeRunOf(
  files: Readonly<Record<string, string | Uint8Array>>,
  settings: Partial<RunSettings> = {},
): Promise<MadeRun> {
  const directory = runFolder();
  const log = await openEmbeddedLog({ directory });
  try {
    const summary = await withWorkflow(files, (workflow) => runCompiled(workflow, { order: 1, ...settings, log }));
    return { directory, summary };
  } finally {
    await log.close();
  }
}

/** Opens a run that was made, to read. */
export async function withRun<T>({ directory }: MadeRun, use: (log: Log, run: DeployedRun) => Promise<T>): Promise<T> {
  const log = await openLog(directory, { readOnly: true });
  try {
    return await use(log, await readRun(log, 'w'));
  } finally {
    await log.close();
  }
}

export interface ReplaySettings {
  readonly tasks?: { readonly from: number; readonly to: number };
  readonly gateway?: RecordedGateway;
  readonly registry?: Registry;
  /** Threads; default: none, the tasks are executed in this process. */
  readonly workers?: number;
}

export async function replayed(log: Log, run: DeployedRun, settings: ReplaySettings = {}): Promise<ReplayReport> {
  const folder = quickFolder();
  const local = openLocalStorage(join(folder, 'local'));
  try {
    const { workers, ...rest } = settings;
    const executor = workers === undefined ? new LocalExecutor(run, settings.registry ?? registry) : undefined;
    const signal = new AbortController().signal;
    return await replayRun({ log, run, registry, local, workerUrl: WORKER_URL, workers: workers ?? 1, executor, signal, ...rest });
  } finally {
    await local.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The story of one record of a run, with the answers recorded for it if it asks for any. */
export async function storyOf(log: Log, run: DeployedRun, id: string, gateway?: RecordedGateway): Promise<Story> {
  const local = { openKeyIndex: () => refuseIndex(), close: async () => {} };
  return recordStory({ log, run, id: parseRecordId(id), registry, local, gateway, signal: new AbortController().signal });
}

function refuseIndex(): never {
  throw new MizuError('INTERNAL', 'A story executes the source stage alone, which has no keyed state');
}
