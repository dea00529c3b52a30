/**
 * The checkpointer: appends the leaves of accepted tasks to the Merkle tree in canonical order and signs its head as a C2SP
 * checkpoint. The tree ends with the task that reached the exact count. It reads control and proofs like anyone else could: a new one goes on from the newest head
 * and its right edge (P14), and signs what the one before would have. The tree is kept as C2SP tile files, keyed by path; a path has one content for ever (law 12).
 */
import type { Observable } from 'rxjs';
import { MizuError } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Append } from '../contract/log.ts';
import { formatCheckpoint } from '../proof/checkpoint.ts';
import { CompactRange } from '../proof/compact-range.ts';
import { leafHash } from '../proof/merkle.ts';
import { formatVkey, noteKey, signNote } from '../proof/note.ts';
import { equalBytes, toHex, utf8 } from '../proof/sha256.ts';
import type { TileFile } from '../proof/tiles.ts';
import { TileBuilder } from '../proof/tiles.ts';
import { AcceptedTasks } from './accepted-tasks.ts';
import { Committer } from './committer.ts';
import type { ControlTail } from './control-tail.ts';
import type { LeafGroup } from './leaf-stream.ts';
import { LeafStream } from './leaf-stream.ts';
import { pulled } from './pull.ts';
import type { RunContext } from './run-context.ts';
import type { TreeHead } from './summary.ts';
import type { SignedHead, TreeStart } from './tree-place.ts';
import { encodePlace, findTreeStart, PLACE_HEADER } from './tree-place.ts';

/** Tasks between two signed heads of a running tree, at most. */
const CHECKPOINT_TASKS = 64;
/** Ticks after which a head is signed if there is anything new, 10 s: so long a consumer of a slow stream waits for a proof. Each head costs its partial files, some 30 KB. */
const CHECKPOINT_TICKS = 20;
/** Full tiles of a head are committed before it beyond so many bytes: one commit holds that and the partial files. */
const TILE_BYTES_PER_COMMIT = 8 * 1024 * 1024;

/** When a head is signed. */
export interface CheckpointLimits {
  readonly tasks: number;
  readonly ticks: number;
}

/** Checkpoint origin of a run: network/name/generation (P12). */
export function originOf(network: string, run: { readonly name: string; readonly generation: number }): string {
  return `${network}/${run.name}/${run.generation}`;
}

export class Checkpointer {
  private readonly context: RunContext;
  private readonly limits: CheckpointLimits;
  private readonly committer: Committer;
  private readonly control: ControlTail;
  private readonly accepted: AcceptedTasks;
  private readonly leaves: LeafStream;
  private readonly tree: CompactRange;
  private readonly tiles: TileBuilder;
  /** The newest head on the log. While the tree is made anew, it is smaller than that head, and nothing is written. */
  private signed: SignedHead | undefined;
  /** Partial files of that head and where they stand, by path: one that did not change since is not written again. */
  private edge: ReadonlyMap<string, Offset>;
  /** Files of later heads stand at or after this offset of the tiles. */
  private tilesEnd: Offset;
  /** Full tiles that are not committed yet. */
  private pending: TileFile[] = [];
  private pendingBytes = 0;
  private next: number;
  /** Aborts when a head is due by ticks. */
  private due = new AbortController();
  /** That, or the end of this role. */
  private waiting: AbortSignal;
  private signedTick: number;
  private readonly unlisten: () => void;

  private constructor(
    context: RunContext,
    control: ControlTail,
    committer: Committer,
    limits: CheckpointLimits,
    { head, resumed }: TreeStart,
    tilesEnd: Offset,
  ) {
    const { log, topics, program, signal } = context;
    this.context = context;
    this.limits = limits;
    this.control = control;
    this.committer = committer;
    this.next = resumed?.place.tasks ?? 0;
    this.accepted = new AcceptedTasks(log, topics.control, resumed?.place.control ?? offset(0), this.next);
    this.leaves = new LeafStream(log, topics.proofs, program, resumed?.place.proofs);
    this.tree = resumed?.edge.tree ?? new CompactRange();
    this.tiles = resumed?.edge.tiles ?? new TileBuilder();
    this.signed = head;
    this.edge = new Map(resumed?.place.files);
    this.tilesEnd = tilesEnd;
    this.signedTick = control.fold.tick;
    this.waiting = AbortSignal.any([signal, this.due.signal]);
    this.unlisten = control.listen((body) => {
      if (body.type === 'tick' && body.tick >= this.signedTick + this.limits.ticks && this.tree.size > this.signedSize) this.due.abort();
    });
  }

  static async open(
    context: RunContext,
    control: ControlTail,
    limits: CheckpointLimits = { tasks: CHECKPOINT_TASKS, ticks: CHECKPOINT_TICKS },
  ): Promise<Checkpointer> {
    const { log, topics, title, run } = context;
    const committer = await Committer.open(log, `${title}/checkpointer`);
    const start = await findTreeStart(context, originOf(log.network, run));
    return new Checkpointer(context, control, committer, limits, start, await log.end(topics.tiles, 0));
  }

  /** Turns until the tree is whole. Each emission is the next task that the tree takes. */
  run(): Observable<number> {
    return pulled(async () => {
      for (;;) {
        const groups = await this.leavesOfNext();
        if (groups !== undefined) {
          await this.append(groups);
          return this.next;
        }
        if (this.context.signal.aborted || !this.due.signal.aborted) return undefined;
        await this.sign();
      }
    });
  }

  /** Signs the head of the whole tree, once. */
  async seal(): Promise<TreeHead> {
    await this.sign();
    if (this.signedSize !== this.tree.size) throw this.otherLeaves(`the log has ${this.tree.size}`);
    return {
      size: this.tree.size,
      root: toHex(this.tree.root()),
      verifierKey: formatVkey(noteKey(this.origin, this.context.signer.publicKey)),
    };
  }

  /** Leaves in the tree. */
  get size(): number {
    return this.tree.size;
  }

  /** Tasks in the tree. */
  get tasks(): number {
    return this.next;
  }

  async close(): Promise<void> {
    this.unlisten();
    await this.committer.close();
  }

  private get origin(): string {
    return originOf(this.context.log.network, this.context.run);
  }

  private get signedSize(): number {
    return this.signed?.size ?? 0;
  }

  /** Undefined when the run ends before the next task, when the signal aborts, or when a head is due. */
  private async leavesOfNext(): Promise<LeafGroup[] | undefined> {
    const k = this.next;
    const attempt = await this.accepted.of(k, this.waiting);
    if (attempt === undefined) return undefined;
    return this.control.unlessBeyond(k, this.waiting, (signal) => this.leaves.task(k, attempt, signal));
  }

  private async append(groups: readonly LeafGroup[]): Promise<void> {
    const before = this.tree.size;
    for (const group of groups) {
      for (const leaf of group.leaves) {
        this.tree.append(leafHash(leaf));
        this.take(this.tiles.append(leaf));
        if (this.pendingBytes >= TILE_BYTES_PER_COMMIT) await this.writeTiles();
      }
    }
    this.accepted.pass(this.next++);
    if (before < this.signedSize) this.compareWithSigned();
    else if (this.next % this.limits.tasks === 0 || this.due.signal.aborted) await this.sign();
  }

  /** Tiles up to the newest head are on the log. */
  private take(files: readonly TileFile[]): void {
    if (this.tree.size <= this.signedSize) return;
    this.pending.push(...files);
    for (const { bytes } of files) this.pendingBytes += bytes.length;
  }

  /** A tree that is made anew comes to the head that was signed. */
  private compareWithSigned(): void {
    const { tree, signed } = this;
    if (signed === undefined || tree.size < signed.size) return;
    if (tree.size > signed.size) throw this.otherLeaves(`on the log no task ends there, but ${this.next} tasks have ${tree.size}`);
    if (!equalBytes(signed.root, tree.root())) throw this.otherLeaves(`those on the log have the root ${toHex(tree.root())}`);
  }

  private otherLeaves(found: string): MizuError {
    const { title, topics } = this.context;
    const root = toHex(this.signed?.root ?? new Uint8Array(0));
    return new MizuError(
      'LOG_CORRUPT',
      `${topics.checkpoints}: a head of ${this.signedSize} leaves with root ${root} is signed; ${found}`,
      {
        component: `${title}/checkpointer`,
        hint: 'Leaves were changed or lost since; `mizu verify` names the first one.',
      },
    );
  }

  private fileAppends(files: readonly TileFile[]): Append[] {
    return files.map((file) => ({ topic: this.context.topics.tiles, partition: 0, key: utf8(file.path), value: file.bytes }));
  }

  private async writeTiles(): Promise<void> {
    const { pending } = this;
    this.pending = [];
    this.pendingBytes = 0;
    await this.committer.commit(this.fileAppends(pending));
  }

  private async sign(): Promise<void> {
    const { context, tree, origin, pending, edge, tilesEnd } = this;
    if (this.signed !== undefined && tree.size <= this.signed.size) return;
    const head = { size: tree.size, root: tree.root() };
    const text = formatCheckpoint({ origin, size: BigInt(head.size), root: head.root });
    const note = signNote(text, [{ name: origin, signer: context.signer }]);
    const partial = this.tiles.finish();
    const files = [...pending, ...partial.filter(({ path }) => !edge.has(path))];
    const place = encodePlace(context, head, {
      tasks: this.next,
      control: this.accepted.resumeAt(),
      proofs: this.leaves.resumeAt(),
      files: partial.map(({ path }) => [path, edge.get(path) ?? tilesEnd]),
    });
    const offsets = await this.committer.commit([
      ...this.fileAppends(files),
      {
        topic: context.topics.checkpoints,
        partition: 0,
        value: utf8(note),
        headers: { tasks: String(this.next), size: String(head.size), [PLACE_HEADER]: place },
      },
    ]);
    const written = new Map(files.map(({ path }, n) => [path, offsets[n] ?? tilesEnd]));
    this.edge = new Map(partial.map(({ path }) => [path, written.get(path) ?? edge.get(path) ?? tilesEnd]));
    if (files.length > 0) this.tilesEnd = offset((offsets[files.length - 1] ?? tilesEnd) + 1);
    this.pending = [];
    this.pendingBytes = 0;
    this.signed = head;
    this.signedTick = this.control.fold.tick;
    this.due = new AbortController();
    this.waiting = AbortSignal.any([context.signal, this.due.signal]);
  }
}
