/**
 * The checkpointer: appends the leaves of accepted tasks to the Merkle tree in canonical order and signs its head as a C2SP
 * checkpoint. The tree ends with the task that reached the exact count. It reads control and proofs like anyone else could, so a
 * new one rebuilds the tree from the log and signs the same heads. The tree is kept as C2SP tile files, keyed by path.
 */
import type { Observable } from 'rxjs';
import type { Append } from '../contract/log.ts';
import type { ControlBody } from '../dispatch/control-entry.ts';
import { decodeControl, readEntry } from '../dispatch/control-entry.ts';
import { formatCheckpoint } from '../proof/checkpoint.ts';
import { CompactRange } from '../proof/compact-range.ts';
import { leafHash } from '../proof/merkle.ts';
import { formatVkey, noteKey, signNote } from '../proof/note.ts';
import { fromUtf8, toHex, utf8 } from '../proof/sha256.ts';
import type { TileFile } from '../proof/tiles.ts';
import { TileBuilder } from '../proof/tiles.ts';
import { Committer } from './committer.ts';
import type { ControlTail } from './control-tail.ts';
import { LeafStream } from './leaf-stream.ts';
import { readAll } from './log-cursor.ts';
import { pulled } from './pull.ts';
import type { RunContext } from './run-context.ts';
import type { TreeHead } from './summary.ts';

/** Tasks between two signed heads of a running tree. */
export const CHECKPOINT_TASKS = 64;

/** Checkpoint origin of a run: network/name/generation (P12). */
export function originOf(network: string, run: { readonly name: string; readonly generation: number }): string {
  return `${network}/${run.name}/${run.generation}`;
}

export class Checkpointer {
  private readonly context: RunContext;
  private readonly committer: Committer;
  private readonly control: ControlTail;
  private readonly leaves: LeafStream;
  private readonly tree = new CompactRange();
  private readonly tiles = new TileBuilder();
  /** Paths of tile files on the log: one in 256 leaves. A path has one content for ever (law 12). */
  private readonly written: Set<string>;
  private pending: TileFile[] = [];
  /** Accepted attempts not yet in the tree. */
  private readonly accepted = new Map<number, number>();
  private unlisten: () => void = () => {};
  private last: number | undefined;
  private next = 0;
  private signedSize = -1;

  private constructor(context: RunContext, control: ControlTail, committer: Committer, written: Set<string>) {
    this.written = written;
    this.context = context;
    this.control = control;
    this.committer = committer;
    this.leaves = new LeafStream(context.log, context.topics.proofs, context.program);
  }

  /** Reads control from its start, as the fold of this process may have forgotten early tasks. */
  static async open(context: RunContext, control: ControlTail): Promise<Checkpointer> {
    const committer = await Committer.open(context.log, `${context.title}/checkpointer`);
    const written = new Set<string>();
    for await (const entry of readAll(context.log, context.topics.tiles, 0)) written.add(fromUtf8(entry.key ?? new Uint8Array(0)));
    const self = new Checkpointer(context, control, committer, written);
    self.unlisten = control.listen((body) => self.take(body));
    for await (const entry of readAll(context.log, context.topics.control, 0))
      self.take(readEntry(decodeControl, context.topics.control, 0, entry).body);
    return self;
  }

  /** Turns until the tree is whole. Each emission is the next task that the tree takes. */
  run(): Observable<number> {
    return pulled(async () => {
      if (!(await this.knows(this.next))) return undefined;
      const attempt = this.accepted.get(this.next) ?? 0;
      const groups = await this.control.unlessBeyond(this.next, this.context.signal, (signal) =>
        this.leaves.task(this.next, attempt, signal),
      );
      if (groups === undefined) return undefined;
      for (const group of groups) {
        for (const leaf of group.leaves) {
          this.tree.append(leafHash(leaf));
          this.pending.push(...this.tiles.append(leaf));
        }
      }
      this.accepted.delete(this.next++);
      if (this.next % CHECKPOINT_TASKS === 0) await this.sign();
      return this.next;
    });
  }

  /** Signs the head of the whole tree, once. */
  async seal(): Promise<TreeHead> {
    await this.sign();
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

  private take(body: ControlBody): void {
    if (body.type === 'accept' && body.k >= this.next && !this.accepted.has(body.k)) this.accepted.set(body.k, body.attempt);
    if (body.type === 'finish') this.last = body.last;
  }

  /** Whether task k belongs to the tree, once control accepted it; false when the run ends before it or the signal aborts. */
  private async knows(k: number): Promise<boolean> {
    const known = (): boolean => this.accepted.has(k) || (this.last !== undefined && k > this.last);
    if (!known() && !(await this.control.until(known, this.context.signal))) return false;
    return this.last === undefined || k <= this.last;
  }

  private async sign(): Promise<void> {
    const { context, tree, origin } = this;
    if (tree.size === this.signedSize) return;
    const text = formatCheckpoint({ origin, size: BigInt(tree.size), root: tree.root() });
    const note = signNote(text, [{ name: origin, signer: context.signer }]);
    const files = [...this.pending, ...this.tiles.finish()].filter((file) => !this.written.has(file.path));
    const appends: Append[] = files.map((file) => ({ topic: context.topics.tiles, partition: 0, key: utf8(file.path), value: file.bytes }));
    appends.push({
      topic: context.topics.checkpoints,
      partition: 0,
      value: utf8(note),
      headers: { tasks: String(this.next), size: String(tree.size) },
    });
    await this.committer.commit(appends);
    for (const file of files) this.written.add(file.path);
    this.pending = [];
    this.signedSize = tree.size;
  }
}
