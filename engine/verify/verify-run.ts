/**
 * `mizu verify NAME`: without executing anything, checks that signatures hold, that the leaves make the signed tree, that each
 * leaf follows from the one before, that sources, frames, states and published records are those the leaves commit to, and that no
 * record vanished (laws 2, 5). Trusts nothing but the verifier key. A run that goes on is checked up to its newest signed head. Signatures, tree and leaves stay on
 * the log and are checked from the first task on; of what a retention took it says that it could not be looked at.
 */
import { messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { formatVkey, noteKey, parseVkey } from '../proof/note.ts';
import { fromHex } from '../proof/sha256.ts';
import { originOf } from '../runtime/checkpointer.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { RunTopics } from '../runtime/topics.ts';
import { UsageCheck } from './check-usage.ts';
import { checkSignatures } from './check-signatures.ts';
import { TreeCheck } from './check-tree.ts';
import { takeMoment } from './moment.ts';
import { ProblemList } from './report.ts';
import type { ReaderOptions } from './run-reader.ts';
import { RunReader } from './run-reader.ts';
import { Verification } from './run-verification.ts';
import { type SampleLimits, TaskSample } from './task-sample.ts';
import type { VerifyOptions, VerifyReport } from './verify-report.ts';

/** @throws CHECK_FAILED for a run of which nothing is signed yet, KEY_INVALID for a verifier key that can't be read, LOG_CORRUPT for damage that the log itself finds. */
export async function verifyRun(log: Log, run: DeployedRun, options: VerifyOptions = {}): Promise<VerifyReport> {
  const given = options.verifierKey === undefined ? undefined : parseVkey(options.verifierKey);
  const list = new ProblemList();
  const topics = new RunTopics(run.run);
  const origin = originOf(log.network, run.run);
  const title = `${run.run.name}/${run.run.generation}`;
  if (given !== undefined && given.name !== origin)
    list.report('verifier key', `it is the key of '${given.name}'; the checkpoints of this run are of '${origin}'`);
  checkData(run, list);
  const moment = await takeMoment(log, topics);
  const usage = new UsageCheck(run.program);
  const signatures = await checkSignatures({ log, topics, title, trusted: given?.publicKey, report: list.report, moment, usage });
  const key = given ?? noteKey(origin, fromHex(signatures.firstKey));
  const reader = await openReader(log, run, { moment, publicKey: key.publicKey }, list);
  for (const [k, name] of signatures.missing)
    if (reader === undefined || reader.ended || k <= reader.last)
      list.report(topics.results, `control accepted result ${name} (task/attempt/node), which is not on the log`);
  const until = reader === undefined || reader.ended ? undefined : (moment.head?.offset ?? 0) + 1;
  const tree = await TreeCheck.open({ log, topics, origin, key, report: list.report, until });
  const sample = reader === undefined ? undefined : sampleOf(reader, options.content ?? 'all');
  const verification = new Verification(log, run, list, { ...signatures, usage }, tree, sample, options.external);
  try {
    if (reader !== undefined) await verification.run(reader);
  } finally {
    await verification.close();
  }
  return {
    ok: list.problems.length === 0,
    closed: reader?.facts.closed === true,
    ...verification.extent(),
    checks: verification.checks(),
    problems: list.problems,
    treeSize: tree.size,
    root: tree.root,
    verifierKey: formatVkey(key),
    keyGiven: given !== undefined,
  };
}

function sampleOf({ last, facts }: RunReader, content: 'all' | 'sample' | SampleLimits): TaskSample | undefined {
  if (content === 'all') return undefined;
  const sizes = Array.from({ length: last + 1 }, (_, k) => facts.tasks.get(k)?.cut.count ?? 0);
  return TaskSample.draw(sizes, content === 'sample' ? undefined : content);
}

/** A control log that was changed may no longer tell where the run ends; then the change is the finding. */
async function openReader(log: Log, run: DeployedRun, options: ReaderOptions, list: ProblemList): Promise<RunReader | undefined> {
  try {
    return await RunReader.open(log, run, options);
  } catch (error) {
    if (list.problems.length === 0) throw error;
    list.report('control', messageOf(error));
    return undefined;
  }
}

/** Lists and maps were checked against their digests when the run was read; here, that all are there. */
function checkData(run: DeployedRun, list: ProblemList): void {
  const there = new Set<string>(run.data.map((set) => set.digest));
  for (const [name, { digest }] of Object.entries(run.program.data)) {
    if (!there.has(digest)) list.report('program', `data set '${name}' (${digest.slice(0, 12)}…) is not on the log`);
  }
}
