/**
 * `mizu verify NAME`: without executing anything, checks that signatures hold, that the leaves make the signed tree, that each
 * leaf follows from the one before, that sources, frames, states and published records are those the leaves commit to, and that no
 * record vanished (laws 2, 5). Trusts nothing but the verifier key.
 */
import { messageOf } from '../contract/errors.ts';
import type { Log } from '../contract/log.ts';
import { topicSource } from '../contract/program.ts';
import type { OpenExternal } from '../contract/source.ts';
import { formatVkey, noteKey, parseVkey } from '../proof/note.ts';
import { fromHex, sha256, toHex } from '../proof/sha256.ts';
import { originOf } from '../runtime/checkpointer.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { encodeLeaves } from '../runtime/leaf-batch.ts';
import type { TaskSource } from '../runtime/task-source.ts';
import { openTaskSource } from '../runtime/task-source.ts';
import { RunTopics } from '../runtime/topics.ts';
import { publishedSchemaId } from '../runtime/step-runner.ts';
import type { TakenFrames } from './check-frames.ts';
import { checkDropCounts, checkEachOnce, checkFrames, checkPublished } from './check-frames.ts';
import type { CheckedGroup } from './check-leaves.ts';
import { LeafCheck } from './check-leaves.ts';
import type { SignatureFacts } from './check-signatures.ts';
import { checkSignatures } from './check-signatures.ts';
import { candidatesOf, checkCopy, checkSource, CutCheck } from './check-source.ts';
import { StateCheck } from './check-state.ts';
import { checkEnd, checkSummary, Tally } from './check-totals.ts';
import { TreeCheck } from './check-tree.ts';
import type { VerifyProblem } from './report.ts';
import { ProblemList } from './report.ts';
import { RunReader } from './run-reader.ts';
import type { PublishedTask } from './topic-merge.ts';

export interface VerifyReport {
  readonly ok: boolean;
  readonly checks: readonly { readonly name: string; readonly count: number; readonly detail: string }[];
  /** At most PROBLEM_LIMIT; `ok` is false when there is one. */
  readonly problems: readonly VerifyProblem[];
  readonly treeSize: number;
  /** Hexadecimal. */
  readonly root: string;
  readonly verifierKey: string;
  /** Whether the verifier key was given by the caller; otherwise it was taken from the log that it should judge. */
  readonly keyGiven: boolean;
}

export interface VerifyOptions {
  /** C2SP verifier key that the reader trusts; default: the key that the log itself names. */
  readonly verifierKey?: string | undefined;
  /** Opens the topic of a program that reads one by reference. */
  readonly external?: OpenExternal | undefined;
}

/** @throws CHECK_FAILED for a run that is not finished, KEY_INVALID for a verifier key that can't be read, LOG_CORRUPT for damage that the log itself finds. */
export async function verifyRun(log: Log, run: DeployedRun, options: VerifyOptions = {}): Promise<VerifyReport> {
  const given = options.verifierKey === undefined ? undefined : parseVkey(options.verifierKey);
  const list = new ProblemList();
  const topics = new RunTopics(run.run);
  const origin = originOf(log.network, run.run);
  const title = `${run.run.name}/${run.run.generation}`;
  if (given !== undefined && given.name !== origin)
    list.report('verifier key', `it is the key of '${given.name}'; the checkpoints of this run are of '${origin}'`);
  checkData(run, list);
  const signatures = await checkSignatures({ log, topics, title, trusted: given?.publicKey, report: list.report });
  const key = given ?? noteKey(origin, fromHex(signatures.firstKey));
  const reader = await openReader(log, run, list);
  const tree = await TreeCheck.open({ log, topics, origin, key, report: list.report });
  const verification = new Verification(log, run, list, signatures, tree, options.external);
  try {
    if (reader !== undefined) await verification.run(reader);
  } finally {
    await verification.close();
  }
  return {
    ok: list.problems.length === 0,
    checks: verification.checks(),
    problems: list.problems,
    treeSize: tree.size,
    root: tree.root,
    verifierKey: formatVkey(key),
    keyGiven: given !== undefined,
  };
}

/** A control log that was changed may no longer tell where the run ends; then the change is the finding. */
async function openReader(log: Log, run: DeployedRun, list: ProblemList): Promise<RunReader | undefined> {
  try {
    return await RunReader.open(log, run);
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

class Verification {
  private readonly log: Log;
  private readonly deployed: DeployedRun;
  private readonly list: ProblemList;
  private readonly signatures: SignatureFacts;
  private readonly tree: TreeCheck;
  private readonly topics: RunTopics;
  private readonly digest: Uint8Array;
  private readonly leaves: LeafCheck;
  private readonly states: StateCheck;
  private readonly source: TaskSource;
  private readonly cuts: CutCheck;
  private readonly tally = new Tally();
  private sourceRecords = 0;

  constructor(
    log: Log,
    run: DeployedRun,
    list: ProblemList,
    signatures: SignatureFacts,
    tree: TreeCheck,
    external: OpenExternal | undefined,
  ) {
    this.log = log;
    this.deployed = run;
    this.list = list;
    this.signatures = signatures;
    this.tree = tree;
    this.topics = new RunTopics(run.run);
    this.digest = fromHex(run.digest);
    this.leaves = new LeafCheck(run.program, this.digest);
    this.states = new StateCheck(log, this.topics);
    this.source = openTaskSource({ ...run, log, topics: this.topics }, external);
    this.cuts = new CutCheck(run.program, run.source);
  }

  checks(): VerifyReport['checks'] {
    const { tally, tree } = this;
    return [
      { name: 'signatures', count: this.signatures.count, detail: 'control entries, results and attestations' },
      { name: 'checkpoints', count: tree.signed, detail: 'signed heads are prefixes of one tree' },
      { name: 'tree', count: tree.size, detail: 'leaves make the signed root, in canonical order' },
      { name: 'tiles', count: tree.files, detail: 'tile files are those of the tree' },
      { name: 'source', count: this.sourceRecords, detail: 'source records are those the leaves and the program commit to' },
      { name: 'frames', count: tally.frames, detail: 'records between stages are those the leaves commit to' },
      { name: 'published', count: tally.accepted, detail: 'verified records are those the leaves commit to' },
      { name: 'accounted', count: tally.candidates, detail: 'candidates = accepted + rejected + duplicates + failed' },
    ];
  }

  close(): Promise<void> {
    return this.source.close();
  }

  async run(reader: RunReader): Promise<void> {
    const { report } = this.list;
    for (let k = 0; k <= reader.facts.last; k++) {
      try {
        await this.task(reader, k);
      } catch (error) {
        // What follows can't be read any more, and everything that would be said of it is a consequence.
        report(`task ${k}`, messageOf(error));
        return;
      }
    }
    await this.tree.finish();
    if (this.list.problems.length === 0) await this.leftover(reader);
    await this.attempt('source', async () => {
      const { program, source } = this.deployed;
      const copy = await checkCopy(this.log, this.topics, program, source, report);
      this.sourceRecords += copy.records;
      this.cuts.end(reader.facts.reason, copy.end, report);
    });
    checkEnd(this.deployed.program, reader.facts, this.tally, report);
    await checkSummary(this.log, this.topics, this.tally, this.tree, report);
  }

  private async leftover(reader: RunReader): Promise<void> {
    await this.attempt('published topics', async () => {
      const left = await reader.leftover();
      if (left !== undefined)
        this.list.report(`published topics, partition ${left.partition}`, `they hold records of task ${left.k}, which the tree does not`);
    });
  }

  private async attempt(where: string, check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      this.list.report(where, messageOf(error));
    }
  }

  private async task(reader: RunReader, k: number): Promise<void> {
    const { program } = this.deployed;
    const { report } = this.list;
    const facts = reader.task(k);
    const { cut } = facts;
    this.cuts.check(k, facts, report);
    const records = await this.source.records(cut);
    const count = candidatesOf(facts, records);
    if (topicSource(program)?.ingest === 'reference') this.sourceRecords += count;
    const logged = await reader.leaves(k);
    for (const group of logged) for (const leaf of group.leaves) this.tree.append(leaf);
    const groups = logged.map((group) => this.leaves.group(group, k, count, report));
    for (const group of logged) if (group.stage === 0) this.checkResult(k, group.leaves);
    this.tally.candidates += count;
    for (const group of groups) if (group.stage === 0) checkSource(program, this.digest, facts, records, group.leaves, report);
    await this.frames(reader, k, groups);
    for (const group of groups) if (group.stage > 0) await this.states.step(group, k, report);
    const parts: PublishedTask[] = [];
    for (const group of groups) {
      if (group.stage !== program.stages.length - 1) continue;
      const part = await reader.published(group.partition, k);
      checkPublished(group, part, publishedSchemaId(this.deployed.deployment), report);
      parts.push(part);
    }
    checkEachOnce(k, count, parts, report);
    checkDropCounts(k, groups, parts, report);
    this.tally.add(groups, parts);
  }

  /** The leaves are those that the node signed for. */
  private checkResult(k: number, leaves: readonly Uint8Array[]): void {
    const signed = this.signatures.leaves.get(k);
    if (signed !== undefined && signed !== toHex(sha256(encodeLeaves(leaves)))) {
      this.list.report(`task 0/${k}`, 'its leaves are not those that the accepted result signs');
    }
  }

  private async frames(reader: RunReader, k: number, groups: readonly CheckedGroup[]): Promise<void> {
    const { stages } = this.deployed.program;
    for (let stage = 1; stage < stages.length; stage++) {
      const taken: TakenFrames[] = [];
      for (const group of groups) {
        if (group.stage !== stage) continue;
        const frames = await reader.frames(stage, group.partition, k);
        this.tally.frames += frames.length;
        taken.push({ group, frames });
      }
      checkFrames(
        groups.filter((group) => group.stage === stage - 1),
        taken,
        this.list.report,
      );
    }
  }
}
