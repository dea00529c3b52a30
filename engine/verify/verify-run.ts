/**
 * `mizu verify NAME`: without executing anything, checks that signatures hold, that the leaves make the signed tree, that each
 * leaf follows from the one before, that frames and published records are those the leaves commit to, and that no record vanished
 * (laws 2, 5). Trusts nothing but the verifier key.
 */
import { messageOf } from '../contract/errors.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Checkpoint } from '../proof/checkpoint.ts';
import { openCheckpoint } from '../proof/checkpoint.ts';
import { CompactRange } from '../proof/compact-range.ts';
import { leafHash } from '../proof/merkle.ts';
import { formatVkey, noteKey, parseVkey } from '../proof/note.ts';
import { equalBytes, fromHex, fromUtf8, toHex } from '../proof/sha256.ts';
import { TileBuilder } from '../proof/tiles.ts';
import { originOf } from '../runtime/checkpointer.ts';
import type { DeployedRun } from '../runtime/deploy.ts';
import { readAll } from '../runtime/log-cursor.ts';
import type { Totals } from '../runtime/run-totals.ts';
import { RunTopics } from '../runtime/topics.ts';
import type { CheckedGroup, Report } from './check-leaves.ts';
import { checkFrames, checkGroups, checkPublished } from './check-leaves.ts';
import { checkSignatures } from './check-signatures.ts';
import { RunReader } from './run-reader.ts';

export interface VerifyReport {
  readonly ok: boolean;
  readonly checks: readonly { readonly name: string; readonly count: number; readonly detail: string }[];
  /** At most PROBLEM_LIMIT; `ok` is false when there is one. */
  readonly problems: readonly { readonly where: string; readonly message: string }[];
  readonly treeSize: number;
  /** Hexadecimal. */
  readonly root: string;
  readonly verifierKey: string;
  /** Whether the verifier key was given by the caller; otherwise it was taken from the log that it should judge. */
  readonly keyGiven: boolean;
}

/** Problems listed in one report. */
export const PROBLEM_LIMIT = 50;

export interface VerifyOptions {
  /** C2SP verifier key that the reader trusts; default: the key that the log itself names. */
  readonly verifierKey?: string | undefined;
}

export async function verifyRun(log: Log, run: DeployedRun, options: VerifyOptions = {}): Promise<VerifyReport> {
  const problems: { where: string; message: string }[] = [];
  const report: Report = (where, message) => {
    if (problems.length < PROBLEM_LIMIT) problems.push({ where, message });
  };
  const checks: { name: string; count: number; detail: string }[] = [];
  const topics = new RunTopics(run.run);
  const origin = originOf(log.network, run.run);
  const signatures = await checkSignatures(log, topics, `${run.run.name}/${run.run.generation}`, report);
  checks.push({ name: 'signatures', count: signatures.count, detail: 'control entries, results and attestations' });
  const key = options.verifierKey === undefined ? noteKey(origin, fromHex(signatures.firstKey)) : parseVkey(options.verifierKey);

  const reader = await RunReader.open(log, run);
  const tree = new CompactRange();
  const tiles = await TileCheck.open(log, topics, report);
  const counts = { candidates: 0, accepted: 0, rejected: 0, failed: 0, duplicates: 0, frames: 0 };
  for (let k = 0; k <= reader.facts.last; k++) {
    try {
      const groups = await reader.leaves(k);
      for (const group of groups) {
        for (const leaf of group.leaves) {
          tree.append(leafHash(leaf));
          tiles.append(leaf);
        }
      }
      await checkTask(reader, k, checkGroups(run.program, run.digest, k, groups, report), counts, report);
    } catch (error) {
      report(`task ${k}`, messageOf(error));
      break;
    }
  }
  const left = problems.length === 0 ? await reader.leftover() : undefined;
  if (left !== undefined) report(`published topics, partition ${left.partition}`, `they hold records of task ${left.k}, which the tree does not`);
  tiles.finish();

  const checkpoint = await lastCheckpoint(log, topics, (note) => openCheckpoint(note, { key, origin }), report);
  if (checkpoint !== undefined && (checkpoint.size !== BigInt(tree.size) || !equalBytes(checkpoint.root, tree.root()))) {
    report('checkpoint', `it signs ${checkpoint.size} leaves with root ${toHex(checkpoint.root)}; the log's leaves are ${tree.size} with root ${toHex(tree.root())}`);
  }
  const dropped = counts.rejected + counts.failed + counts.duplicates;
  if (counts.candidates !== counts.accepted + dropped) {
    report('counts', `${counts.candidates} candidates are not ${counts.accepted} accepted + ${counts.rejected} rejected + ${counts.duplicates} duplicates + ${counts.failed} failed`);
  }
  await checkSummary(log, topics, counts, tree, report);
  checks.push({ name: 'tree', count: tree.size, detail: 'leaves make the signed root, in canonical order' });
  checks.push({ name: 'tiles', count: tiles.files, detail: 'tile files are those of the tree' });
  checks.push({ name: 'frames', count: counts.frames, detail: 'records between stages are those the leaves commit to' });
  checks.push({ name: 'published', count: counts.accepted, detail: 'verified records are those the leaves commit to' });
  checks.push({ name: 'accounted', count: counts.candidates, detail: 'candidates = accepted + rejected + duplicates + failed' });
  return {
    ok: problems.length === 0,
    checks,
    problems,
    treeSize: tree.size,
    root: toHex(tree.root()),
    verifierKey: formatVkey(key),
    keyGiven: options.verifierKey !== undefined,
  };
}

type Counts = { candidates: number; accepted: number; rejected: number; failed: number; duplicates: number; frames: number };

async function checkTask(reader: RunReader, k: number, groups: readonly CheckedGroup[], counts: Counts, report: Report): Promise<void> {
  const { stages } = reader.run.program;
  const of = (stage: number): CheckedGroup[] => groups.filter((group) => group.stage === stage);
  const { cut } = reader.task(k);
  const entered = of(0)[0]?.leaves.filter((leaf) => leaf.op === 0).reduce((sum, leaf) => sum + leaf.counts.in, 0) ?? 0;
  if (entered !== cut.count) report(`task 0/${k}`, `its cut allots ${cut.count} candidates, its leaves take ${entered}`);
  counts.candidates += cut.count;
  for (let stage = 1; stage < stages.length; stage++) {
    const taken: { group: CheckedGroup; frames: Awaited<ReturnType<RunReader['frames']>> }[] = [];
    for (const group of of(stage)) {
      const frames = await reader.frames(stage, group.partition, k);
      counts.frames += frames.length;
      taken.push({ group, frames });
    }
    checkFrames(of(stage - 1), taken, report);
  }
  for (const group of of(stages.length - 1)) {
    const task = await reader.published(group.partition, k);
    checkPublished(group, task, report);
    counts.accepted += task.records.length;
    for (const drop of task.drops) {
      if (drop.kind === 'rejected') counts.rejected++;
      else if (drop.kind === 'failed') counts.failed++;
      else counts.duplicates++;
    }
  }
}

async function lastCheckpoint(log: Log, topics: RunTopics, open: (note: Uint8Array) => Checkpoint, report: Report): Promise<Checkpoint | undefined> {
  let last: Checkpoint | undefined;
  for await (const entry of readAll(log, topics.checkpoints, 0)) {
    try {
      const checkpoint = open(entry.value);
      if (last !== undefined && checkpoint.size < last.size) report('checkpoint', `a head of ${checkpoint.size} leaves was signed after one of ${last.size}`);
      last = checkpoint;
    } catch (error) {
      report(`${topics.checkpoints}, offset ${entry.offset}`, messageOf(error));
    }
  }
  if (last === undefined) report('checkpoint', 'the run has no signed checkpoint under this key');
  return last;
}

/** The run's own summary must say what the log shows. */
async function checkSummary(log: Log, topics: RunTopics, counts: Counts, tree: CompactRange, report: Report): Promise<void> {
  const end = await log.end(topics.control, 0);
  const { entries } = end === 0 ? { entries: [] } : await log.read(topics.control, 0, offset(Math.max(0, end - 1)));
  const last = entries.at(-1);
  if (last === undefined) return;
  const { body } = JSON.parse(fromUtf8(last.value)) as { body: { type: string; summary?: Partial<Totals> & { root?: string; treeSize?: number } } };
  if (body.type !== 'close' || body.summary === undefined) {
    report('summary', 'the run is not closed');
    return;
  }
  const { summary } = body;
  const said = { candidates: summary.candidates, accepted: summary.accepted, duplicates: summary.duplicates, failed: summary.failed, treeSize: summary.treeSize, root: summary.root };
  const seen = { candidates: counts.candidates, accepted: counts.accepted, duplicates: counts.duplicates, failed: counts.failed, treeSize: tree.size, root: toHex(tree.root()) };
  for (const name of Object.keys(seen) as (keyof typeof seen)[]) if (said[name] !== seen[name]) report('summary', `${name}: the run says ${said[name]}, the log shows ${seen[name]}`);
}

/** Compares the stored tile files with those that the leaves make. */
class TileCheck {
  private readonly builder = new TileBuilder();
  private readonly stored: ReadonlyMap<string, Uint8Array>;
  private readonly report: Report;
  files = 0;

  private constructor(stored: ReadonlyMap<string, Uint8Array>, report: Report) {
    this.stored = stored;
    this.report = report;
  }

  static async open(log: Log, topics: RunTopics, report: Report): Promise<TileCheck> {
    const stored = new Map<string, Uint8Array>();
    for await (const entry of readAll(log, topics.tiles, 0)) stored.set(fromUtf8(entry.key ?? new Uint8Array(0)), entry.value);
    return new TileCheck(stored, report);
  }

  append(leaf: Uint8Array): void {
    for (const file of this.builder.append(leaf)) this.compare(file.path, file.bytes);
  }

  finish(): void {
    for (const file of this.builder.finish()) this.compare(file.path, file.bytes);
  }

  private compare(path: string, bytes: Uint8Array): void {
    this.files++;
    const stored = this.stored.get(path);
    if (stored === undefined) this.report(path, 'the tile file is missing');
    else if (!equalBytes(stored, bytes)) this.report(path, 'the tile file is not the one that the leaves make');
  }
}
