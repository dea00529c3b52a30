/**
 * Puts a program on a log: topics, program, data sets, the copied source. The same name and digest go on with the run that is
 * there; a changed digest is a new generation, and only when asked for by name (P12).
 */
import { MizuError } from '../contract/errors.ts';
import type { DigestHex } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Deployment, Json, Program } from '../contract/program.ts';
import type { DataSet } from '../contract/storage.ts';
import { programDigest, encodeProgram } from '../compile/program-digest.ts';
import { isDeployment, isProgram } from '../compile/program-shape.ts';
import { toJson } from '../compile/to-json.ts';
import { canonicalBytes, digestOf } from '../proof/jcs.ts';
import { parseStrictJson } from '../proof/json-parser.ts';
import { utf8 } from '../proof/sha256.ts';
import { decodeDataSet, encodeDataSet } from '../workflow/data-set.ts';
import { Committer } from './committer.ts';
import { readAll } from './log-cursor.ts';
import type { RecordStream } from './source-store.ts';
import { ingest } from './source-store.ts';
import type { RunName } from './topics.ts';
import { listRuns, RunTopics } from './topics.ts';

/** What a deployed run is made of, as read back from its log. */
export interface DeployedRun {
  readonly run: RunName;
  readonly program: Program;
  readonly digest: DigestHex;
  readonly deployment: Deployment;
  readonly data: readonly DataSet[];
}

export interface DeployRequest {
  readonly program: Program;
  readonly digest: DigestHex;
  readonly deployment: Deployment;
  readonly data: Iterable<DataSet>;
  readonly source?: RecordStream | undefined;
  readonly newGeneration: boolean;
  readonly signal: AbortSignal;
}

/** Finds or makes the run's generation and puts everything on the log. @throws PROGRAM_CHANGED. */
export async function deploy(log: Log, request: DeployRequest): Promise<RunName> {
  const { name } = request.deployment;
  const latest = (await listRuns(log, name)).at(-1);
  let run: RunName = latest ?? { name, generation: 1 };
  if (latest !== undefined) {
    const digest = await deployedDigest(log, latest);
    if (digest !== undefined && digest !== request.digest) {
      if (!request.newGeneration) {
        throw new MizuError(
          'PROGRAM_CHANGED',
          `'${name}' ran as program ${digest.slice(0, 12)}… (generation ${latest.generation}); this workflow is program ${request.digest.slice(0, 12)}…`,
          {
            component: name,
            hint: 'A changed program is a new generation: add --new-generation to start it beside the old one, or give it another name or another --log.',
          },
        );
      }
      run = { name, generation: latest.generation + 1 };
    }
  }
  const topics = new RunTopics(run);
  for (const spec of topics.specs(request.program)) await log.createTopic(spec);
  await publishProgram(log, run, topics, request);
  if (request.source !== undefined)
    await ingest(log, topics.source, `${run.name}/${run.generation}/ingest`, request.source, request.signal);
  return run;
}

async function publishProgram(log: Log, run: RunName, topics: RunTopics, request: DeployRequest): Promise<void> {
  if ((await log.end(topics.program, 0)) > 0) return;
  const committer = await Committer.open(log, `${run.name}/${run.generation}/deploy`);
  try {
    if ((await log.end(topics.program, 0)) > 0) return;
    await committer.commit([
      { topic: topics.program, partition: 0, key: utf8('program'), value: encodeProgram(request.program) },
      { topic: topics.program, partition: 0, key: utf8('deployment'), value: canonicalBytes(toJson(request.deployment)) },
      ...[...request.data].map((set) => ({
        topic: topics.program,
        partition: 0,
        key: utf8(`data/${set.digest}`),
        value: encodeDataSet(set),
      })),
    ]);
  } finally {
    await committer.close();
  }
}

async function deployedDigest(log: Log, run: RunName): Promise<DigestHex | undefined> {
  const { entries } = await log.read(new RunTopics(run).program, 0, offset(0), { maxEntries: 1 });
  const [first] = entries;
  return first === undefined ? undefined : digestOf(parseStrictJson(first.value));
}

/** Reads a run back from its log alone. @throws NOT_FOUND with the names that exist; LOG_CORRUPT. */
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
  const data: DataSet[] = [];
  const topics = new RunTopics(run);
  for await (const entry of readAll(log, topics.program, 0)) {
    const key = Buffer.from(entry.key ?? new Uint8Array(0)).toString('utf8');
    if (key === 'program') program = readAs(topics.program, 'program', entry.value, isProgram);
    else if (key === 'deployment') deployment = readAs(topics.program, 'deployment', entry.value, isDeployment);
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
  return { run, program, digest: programDigest(program), deployment, data };
}

function readAs<T>(topic: string, what: string, bytes: Uint8Array, is: (json: Json) => json is Json & T): T {
  const json = parseStrictJson(bytes);
  if (is(json)) return json;
  throw new MizuError('LOG_CORRUPT', `${topic}: the ${what} has a shape that this version does not know`, {
    hint: 'Use the version of Mizu that deployed the run.',
  });
}
