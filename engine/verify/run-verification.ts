/** Walks the tasks of a run in order and checks each against what stands on the log; whatever can be read once is read once. What it finds goes to the list. */
import { messageOf } from '../contract/errors.ts';
import type { Usage } from '../contract/inference.ts';
import type { Log } from '../contract/log.ts';
import { topicSource } from '../contract/program.ts';
import type { OpenExternal } from '../contract/source.ts';
import type { Frame } from '../proof/frame.ts';
import { attestationKey } from '../proof/attestation.ts';
import type { Leaf } from '../proof/leaf.ts';
import { fromHex, sha256, toHex } from '../proof/sha256.ts';
import { vrfQuestion } from '../proof/vrf-attestation.ts';
import { drawsVrf } from '../datavm/source-commitment.ts';
import { copyEnd } from '../runtime/copied-records.ts';
import { beginOf } from '../runtime/log-cursor.ts';
import type { DeployedRun } from '../runtime/read-run.ts';
import { encodeLeaves } from '../runtime/leaf-batch.ts';
import { readAttestations } from '../runtime/recorded-gateway.ts';
import type { TaskSource } from '../runtime/task-source.ts';
import { openTaskSource } from '../runtime/task-source.ts';
import { asksModels, RunTopics } from '../runtime/topics.ts';
import { publishedSchemaId } from '../runtime/step-runner.ts';
import type { TakenFrames } from './check-frames.ts';
import { checkDropCounts, checkEachOnce, checkFrames, checkPublished } from './check-frames.ts';
import type { CheckedGroup } from './check-leaves.ts';
import { LeafCheck } from './check-leaves.ts';
import type { UsageCheck } from './check-usage.ts';
import type { SignatureFacts } from './check-signatures.ts';
import { candidatesOf, checkCopy, checkSource, CutCheck } from './check-source.ts';
import { StateCheck } from './check-state.ts';
import { checkEnd, checkSummary, Tally } from './check-totals.ts';
import type { TreeCheck } from './check-tree.ts';
import { ForgottenTasks } from './forgotten-tasks.ts';
import { firstAnswered } from './kept-answers.ts';
import type { KeptTasks } from './kept-tasks.ts';
import { topicOf } from './kept-tasks.ts';
import type { ProblemList } from './report.ts';
import type { TaskFacts } from './run-facts.ts';
import type { RunReader } from './run-reader.ts';
import type { TaskSample } from './task-sample.ts';
import type { PublishedTask } from './topic-merge.ts';
import type { VerifyReport } from './verify-report.ts';

export class Verification {
  private readonly log: Log;
  private readonly deployed: DeployedRun;
  private readonly list: ProblemList;
  private readonly signatures: SignatureFacts & { readonly usage: UsageCheck };
  private readonly tree: TreeCheck;
  private readonly topics: RunTopics;
  private readonly digest: Uint8Array;
  private readonly leaves: LeafCheck;
  private readonly states: StateCheck;
  private readonly source: TaskSource;
  private readonly cuts: CutCheck;
  private readonly sample: TaskSample | undefined;
  private readonly tally = new Tally();
  private sourceRecords = 0;
  private publishedRecords = 0;
  /** Tasks looked at. */
  private tasks = 0;
  private readonly forgotten = new ForgottenTasks();

  constructor(
    log: Log,
    run: DeployedRun,
    list: ProblemList,
    signatures: SignatureFacts & { readonly usage: UsageCheck },
    tree: TreeCheck,
    sample: TaskSample | undefined,
    external: OpenExternal | undefined,
  ) {
    this.sample = sample;
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
      {
        name: 'published',
        count: this.sample === undefined ? tally.accepted : this.publishedRecords,
        detail: 'verified records are those the leaves commit to',
      },
      { name: 'accounted', count: tally.candidates, detail: 'candidates = accepted + rejected + duplicates + failed' },
    ];
  }

  close(): Promise<void> {
    return this.source.close();
  }

  extent(): Pick<VerifyReport, 'tasks' | 'range' | 'content' | 'forgotten'> {
    const { tasks, sample, forgotten } = this;
    const from = forgotten.last + 1;
    const range = from < tasks ? { from, to: tasks - 1 } : undefined;
    const content = sample?.stretches ?? (tasks > 0 ? [{ from: 0, to: tasks - 1 }] : []);
    return { tasks, range, content, forgotten: [...forgotten.topics].sort() };
  }

  async run(reader: RunReader): Promise<void> {
    const { report } = this.list;
    for (let k = 0; k <= reader.last; k++) {
      try {
        await this.task(reader, k);
      } catch (error) {
        // What follows can't be read any more, and everything that would be said of it is a consequence.
        report(`task ${k}`, messageOf(error));
        return;
      }
      this.tasks++;
    }
    await this.tree.finish();
    if (reader.ended && this.list.problems.length === 0) await this.leftover(reader);
    const reason = reader.ended ? reader.facts.finish?.reason : undefined;
    await this.attempt('source', async () => {
      const { program, source } = this.deployed;
      if (this.sample !== undefined) return this.cuts.end(reason, await copyEnd(this.log, this.topics.source), report);
      const copy = await checkCopy(this.log, this.topics, program, { bounds: source, closed: reader.ended }, report);
      this.sourceRecords += copy.records;
      this.cuts.end(reason, copy.end, report);
    });
    checkEnd(this.deployed.program, reason, this.tally, report);
    const answered = asksModels(this.deployed.program) ? await firstAnswered(this.log, reader) : 0;
    if (answered > 0) this.forgotten.note(Math.min(answered, reader.last + 1) - 1, this.topics.attestations);
    const usage = await this.usage({ last: reader.last, reason, answered });
    if (reader.ended) await checkSummary({ ...this.deployed, log: this.log, topics: this.topics }, this.tally, this.tree, usage, report);
  }

  private async checkSource(
    k: number,
    facts: TaskFacts,
    records: readonly Uint8Array[] | undefined,
    leaves: readonly Leaf[],
  ): Promise<void> {
    const { program } = this.deployed;
    const isRandom = drawsVrf(program);
    const question = isRandom ? vrfQuestion(program.seed, k, facts.cut.first) : undefined;
    const beta = question && this.signatures.betas.get(toHex(attestationKey(this.log.network, question)));
    if (isRandom && beta === undefined) {
      if ((await beginOf(this.log, this.topics.attestations, 0)) > 0) this.forgotten.note(k, this.topics.attestations);
      else this.list.report(`task 0/${k}`, 'its verifiable random numbers are not on the log, or their proof does not hold');
      return;
    }
    checkSource(program, this.digest, facts, records, leaves, beta, this.list.report);
  }

  private async usage(extent: Parameters<UsageCheck['check']>[0]): Promise<Usage> {
    const { usage, gateways } = this.signatures;
    try {
      return await usage.check(extent, () => readAttestations(this.log, this.topics.attestations, gateways), this.list.report);
    } catch (error) {
      this.list.report('usage', messageOf(error));
      return {};
    }
  }

  private async leftover(reader: RunReader): Promise<void> {
    await this.attempt('published topics', async () => {
      if (this.sample !== undefined) await reader.skipPublished(reader.last + 1);
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
    const looks = this.sample?.has(k) ?? true;
    if (this.sample?.begins(k) === true) await reader.skipContent(k);
    const source = looks ? await this.sourceOf(reader, k, cut) : undefined;
    const records = source?.value;
    const count = candidatesOf(facts, records);
    // Of a copy all records are counted where it is read as a whole.
    if (topicSource(program)?.ingest === 'reference' ? looks : this.sample !== undefined && records !== undefined)
      this.sourceRecords += count;
    const logged = await reader.leaves(k);
    for (const group of logged) for (const leaf of group.leaves) this.tree.append(leaf);
    const groups = logged.map((group) => this.leaves.group(group, k, count, report));
    for (const group of logged) if (group.stage === 0) this.checkResult(k, group.leaves);
    for (const group of groups) if (group.stage === 0 && source !== undefined) await this.checkSource(k, facts, records, group.leaves);
    if (looks) await this.frames(reader, k, groups);
    for (const group of groups) if (group.stage > 0) await this.state(reader, k, group);
    if (looks) await this.published(reader, k, count, groups);
    else this.tally.addLeaves(groups);
  }

  private sourceOf(
    reader: RunReader,
    k: number,
    cut: TaskFacts['cut'],
  ): Promise<{ readonly value: readonly Uint8Array[] | undefined } | undefined> {
    const isThere = (kept: KeptTasks): boolean => kept.source(cut);
    return this.forgotten.read(reader, k, this.topics.source, isThere, () => this.source.records(cut));
  }

  private async state(reader: RunReader, k: number, group: CheckedGroup): Promise<void> {
    const isKept = reader.retained.state(group.stage, group.partition, k);
    if (!(await this.states.step(group, k, isKept, this.list.report))) this.forgotten.note(k, this.topics.state(group.stage));
  }

  private async published(reader: RunReader, k: number, count: number, groups: readonly CheckedGroup[]): Promise<void> {
    const { report } = this.list;
    const last = groups.filter(({ stage }) => stage === this.deployed.program.stages.length - 1);
    const parts: PublishedTask[] = [];
    for (const { partition } of last) parts.push(await reader.published(partition, k));
    const gone = await this.forgotten.outKinds(reader, k, groups, parts);
    if (gone.length > 0) {
      for (const kind of gone) this.forgotten.note(k, topicOf(this.topics, kind));
      this.tally.addLeaves(groups);
      return;
    }
    last.forEach((group, n) => {
      const part = parts[n];
      if (part !== undefined) checkPublished(group, part, publishedSchemaId(this.deployed.deployment), report);
    });
    for (const { records } of parts) this.publishedRecords += records.length;
    checkEachOnce(k, count, parts, report);
    checkDropCounts(k, groups, parts, report);
    this.tally.add(count, groups, parts);
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
        const place = this.topics.frames(stage);
        const read = (): Promise<Frame[]> => reader.frames(stage, group.partition, k);
        const frames = await this.forgotten.read(reader, k, place, (kept) => kept.frames(stage, k), read);
        if (frames === undefined) break;
        this.tally.frames += frames.value.length;
        taken.push({ group, frames: frames.value });
      }
      if (taken.length < (stages[stage]?.partitions ?? 0)) continue;
      checkFrames(
        groups.filter((group) => group.stage === stage - 1),
        taken,
        this.list.report,
      );
    }
  }
}
