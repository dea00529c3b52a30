/** Reads what was deployed back from its log alone: program, settings, data sets, where its topic begins and ends. */
import { MizuError } from '../contract/errors.ts';
import type { DigestHex } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Deployment, Json, Program } from '../contract/program.ts';
import type { SourceBounds } from '../contract/source.ts';
import type { DataSet } from '../contract/storage.ts';
import { programDigest } from '../compile/program-digest.ts';
import { isDeployment, isProgram, isSourceBounds } from '../compile/program-shape.ts';
import { parseStrictJson } from '../proof/json-parser.ts';
import { decodeDataSet } from '../workflow/data-set.ts';
import { readAll } from './log-cursor.ts';
import type { RunName } from './topics.ts';
import { listRuns, RunTopics } from './topics.ts';

/** What a deployed run is made of, as read back from its log. */
export interface DeployedRun {
  readonly run: RunName;
  readonly program: Program;
  readonly digest: DigestHex;
  /** The newest settings: those of the first deployment, or of a later compatible one (P12). */
  readonly deployment: Deployment;
  readonly data: readonly DataSet[];
  /** Where the program's topic begins and ends, if it reads one. */
  readonly source?: SourceBounds | undefined;
}

/** @throws NOT_FOUND with the names that exist; LOG_CORRUPT. */
export async function readRun(log: Log, name: string, generation?: number): Promise<DeployedRun> {
  const runs = await listRuns(log, name);
  const run = generation === undefined ? runs.at(-1) : runs.find((candidate) => candidate.generation === generation);
  if (run === undefined) {
    const known = (await listRuns(log)).map((other) => `${other.name}/${other.generation}`);
    throw new MizuError('NOT_FOUND', `There is no run '${name}${generation === undefined ? '' : `/${generation}`}' on ${log.address}`, {
      hint: known.length === 0 ? 'This log holds no runs; check --log.' : `Runs on this log: ${known.join(', ')}.`,
    });
  }
  let program: Program | undefined;
  let deployment: Deployment | undefined;
  let source: SourceBounds | undefined;
  const data: DataSet[] = [];
  const topics = new RunTopics(run);
  for await (const entry of readAll(log, topics.program, 0)) {
    const key = Buffer.from(entry.key ?? new Uint8Array(0)).toString('utf8');
    if (key === 'program') program = readAs(topics.program, 'program', entry.value, isProgram);
    else if (key === 'deployment') deployment = readAs(topics.program, 'deployment', entry.value, isDeployment);
    else if (key === 'source') source = readAs(topics.program, 'source', entry.value, isSourceBounds);
    else if (key.startsWith('data/')) {
      const set = decodeDataSet(entry.value);
      if (set.digest !== key.slice('data/'.length))
        throw new MizuError('LOG_CORRUPT', `Data set ${key.slice(5, 17)}… of '${name}' has other content than its digest says`);
      data.push(set);
    }
  }
  if (program === undefined || deployment === undefined) {
    throw new MizuError('NOT_FOUND', `Run '${name}/${run.generation}' was never fully deployed`, {
      hint: 'Run its workflow again: deployment goes on where it stopped.',
    });
  }
  return { run, program, digest: programDigest(program), deployment, data, source };
}

/** Whether its program was published: all entries of it are one commit. */
export async function isWhole(log: Log, run: RunName): Promise<boolean> {
  const { entries } = await log.read(new RunTopics(run).program, 0, offset(0), { maxEntries: 1 });
  return entries.length > 0;
}

function readAs<T>(topic: string, what: string, bytes: Uint8Array, is: (json: Json) => json is Json & T): T {
  const json = parseStrictJson(bytes);
  if (is(json)) return json;
  throw new MizuError('LOG_CORRUPT', `${topic}: the ${what} has a shape that this version does not know`, {
    hint: 'Use the version of Mizu that deployed the run.',
  });
}
