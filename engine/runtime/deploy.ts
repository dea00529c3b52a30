/**
 * Puts a program on a log: topics, program, data sets, the copied source, and control last, so that a run which can be found is whole and
 * an interrupted deployment can be repeated at any point. Who deploys and runs in one process begins while the source is copied. The same
 * name and digest go on with the run that is there, under the new settings; a changed digest is a new generation, and only when asked for
 * by name (P12).
 */
import { MizuError } from '../contract/errors.ts';
import type { DigestHex } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Append, Log, TopicSpec } from '../contract/log.ts';
import type { Deployment, Program } from '../contract/program.ts';
import { topicSource } from '../contract/program.ts';
import type { OpenExternal, SourceBounds } from '../contract/source.ts';
import type { DataSet } from '../contract/storage.ts';
import { encodeProgram } from '../compile/program-digest.ts';
import { toJson } from '../compile/to-json.ts';
import { canonicalBytes, digestOf } from '../proof/jcs.ts';
import { parseStrictJson } from '../proof/json-parser.ts';
import { utf8 } from '../proof/sha256.ts';
import { encodeDataSet } from '../workflow/data-set.ts';
import { Committer } from './committer.ts';
import type { DeployPlan } from './deploy-plan.ts';
import { planDeploy } from './deploy-plan.ts';
import { openExternalSource } from './source-context.ts';
import type { RecordStream } from './source-store.ts';
import { ingest } from './source-store.ts';
import type { RunName } from './topics.ts';
import { RunTopics } from './topics.ts';

export interface DeployRequest {
  readonly program: Program;
  readonly digest: DigestHex;
  readonly deployment: Deployment;
  readonly data: Iterable<DataSet>;
  readonly source?: RecordStream | undefined;
  /** Opens the topic that the program reads, if it reads one. */
  readonly openExternal?: OpenExternal | undefined;
  readonly newGeneration: boolean;
  /** Gives the id of the published schema for the topic of verified records; asked before the program of a new generation is published. */
  readonly registerSchema?: ((verified: string) => Promise<number>) | undefined;
  /** Committed together with changed settings, such as the request that tells the orchestrator of them. */
  readonly beside?: ((run: RunName) => readonly Append[]) | undefined;
  readonly signal: AbortSignal;
}

/** A run that can be found and begun; one whose source is copied may still miss the end of it. */
export interface BegunRun {
  readonly run: RunName;
  /** Copies what is missing of a finite source; absent for a program without one. @throws SOURCE_UNAVAILABLE, INTERRUPTED. */
  readonly copySource?: ((signal: AbortSignal) => Promise<void>) | undefined;
}

/** Finds or makes the run's generation and puts everything on the log. @throws PROGRAM_CHANGED; what opening the source's topic throws. */
export async function deploy(log: Log, request: DeployRequest): Promise<RunName> {
  const { specs, topics, ...begun } = await publish(log, request);
  await begun.copySource?.(request.signal);
  await createControl(log, topics, specs);
  return begun.run;
}

/** As `deploy`, for a caller that runs it as well: the source may be copied while tasks take what is there. */
export async function beginDeploy(log: Log, request: DeployRequest): Promise<BegunRun> {
  const { specs, topics, ...begun } = await publish(log, request);
  await createControl(log, topics, specs);
  return begun;
}

/** Everything but the source and control. */
async function publish(log: Log, request: DeployRequest): Promise<BegunRun & { topics: RunTopics; specs: readonly TopicSpec[] }> {
  const plan = await planDeploy(log, request);
  const { kind, run, current } = plan;
  if (kind === 'changed' && current !== undefined && !request.newGeneration) throw programChanged(current, request.digest);
  const topics = new RunTopics(run);
  const specs = topics.specs(request.program, request.deployment.retention);
  for (const spec of specs) if (spec.name !== topics.control) await log.createTopic(spec);
  if (kind === 'compatible') {
    if (plan.settings.some(({ path }) => path.startsWith('retention'))) await changeRetention(log, topics, specs);
    await publishSettings(log, plan, request);
  }
  if (kind === 'new' || kind === 'changed') await publishProgram(log, run, topics, request);
  const { source } = request;
  if (source === undefined) return { run, topics, specs };
  const owner = `${run.name}/${run.generation}/ingest`;
  return { run, topics, specs, copySource: (signal) => ingest(log, topics.source, owner, source, signal) };
}

async function createControl(log: Log, topics: RunTopics, specs: readonly TopicSpec[]): Promise<void> {
  for (const spec of specs) if (spec.name === topics.control) await log.createTopic(spec);
}

/** Before the settings are published: repeated after an interruption, the deployment still sees that they change. */
async function changeRetention(log: Log, { prefix }: RunTopics, specs: readonly TopicSpec[]): Promise<void> {
  const there = new Map((await log.topics(prefix)).map((spec) => [spec.name, spec.retention]));
  for (const spec of specs) {
    const now = there.get(spec.name);
    if (now?.bytes !== spec.retention?.bytes || now?.ms !== spec.retention?.ms) await log.retain?.(spec);
  }
}

export function programChanged(current: NonNullable<DeployPlan['current']>, digest: DigestHex): MizuError {
  const { name, generation } = current;
  return new MizuError(
    'PROGRAM_CHANGED',
    `'${name}' ran as program ${current.digest.slice(0, 12)}… (generation ${generation}); this workflow is program ${digest.slice(0, 12)}…`,
    {
      component: name,
      hint: 'A changed program is a new generation: add --new-generation to start it beside the old one, or give it another name or another --log.',
    },
  );
}

async function publishProgram(log: Log, run: RunName, topics: RunTopics, request: DeployRequest): Promise<void> {
  const committer = await Committer.open(log, ownerOf(run));
  try {
    if (await isPublished(log, run, topics, request.digest)) return;
    const bounds = await sourceBounds(request);
    const schemaId = await request.registerSchema?.(topics.verified);
    const deployment = { ...request.deployment, ...(schemaId === undefined ? {} : { schemaId }) };
    await committer.commit([
      { topic: topics.program, partition: 0, key: utf8('program'), value: encodeProgram(request.program) },
      settingsEntry(topics, deployment),
      ...(bounds === undefined
        ? []
        : [{ topic: topics.program, partition: 0, key: utf8('source'), value: canonicalBytes(toJson(bounds)) }]),
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

/** Another process may have put the program there since the plan was made. @throws PROGRAM_CHANGED when it put another one there. */
async function isPublished(log: Log, run: RunName, topics: RunTopics, digest: DigestHex): Promise<boolean> {
  const { entries } = await log.read(topics.program, 0, offset(0), { maxEntries: 1 });
  const [first] = entries;
  if (first === undefined) return false;
  const there = digestOf(parseStrictJson(first.value));
  if (there !== digest) throw programChanged({ ...run, digest: there }, digest);
  return true;
}

async function publishSettings(log: Log, { run, deployment }: DeployPlan, request: DeployRequest): Promise<void> {
  const committer = await Committer.open(log, ownerOf(run));
  try {
    await committer.commit([settingsEntry(new RunTopics(run), deployment), ...(request.beside?.(run) ?? [])]);
  } finally {
    await committer.close();
  }
}

function settingsEntry(topics: RunTopics, deployment: Deployment): Append {
  return { topic: topics.program, partition: 0, key: utf8('deployment'), value: canonicalBytes(toJson(deployment)) };
}

function ownerOf(run: RunName): string {
  return `${run.name}/${run.generation}/deploy`;
}

/** Looks once where the program's topic begins and ends. From here on the run reads exactly that, whoever goes on with it (P7, P13). */
async function sourceBounds(request: Pick<DeployRequest, 'program' | 'deployment' | 'openExternal'>): Promise<SourceBounds | undefined> {
  const source = topicSource(request.program);
  if (source === undefined) return undefined;
  const address = request.deployment.sources?.[source.name];
  const topic = await openExternalSource({ ...request, source: undefined }, request.openExternal);
  try {
    const partitions: { from: number; to?: number }[] = [];
    for (let partition = 0; partition < topic.partitions; partition++) {
      const end = await topic.end(partition);
      const from = address?.from === 'latest' ? end : await topic.start(partition);
      // Nothing is needed of it, but a missing permission to read shows now and not in the middle of the run.
      if (partition === 0) await topic.read(0, from, { maxBytes: 1 });
      partitions.push(source.until === 'end' ? { from, to: Math.max(from, end) } : { from });
    }
    return { topic: topic.name, partitions };
  } finally {
    await topic.close();
  }
}
