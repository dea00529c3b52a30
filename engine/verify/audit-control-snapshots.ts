/**
 * Snapshots of control, read raw (P14): whole, and each the fold of the entries below its position. A role that starts from a wrong one would decide from what
 * never was. One that lacks a part is passed over by whoever starts, and is no finding: compaction takes parts of older ones.
 */
import type { Json } from '../contract/program.ts';
import { decodeEnvelope, verifySigned } from '../dispatch/signed-entry.ts';
import type { ControlFold } from '../dispatch/control-fold.ts';
import { foldToJson } from '../dispatch/fold-snapshot.ts';
import { canonicalBytes, isPlainObject } from '../proof/jcs.ts';
import { fromHex, sha256, toHex } from '../proof/sha256.ts';
import { type AuditContext, decoded, keyText, partitionsOf, rawEntries } from './audit-reader.ts';

/** The newest of them are compared: roles start from the last one or two. */
const COMPARED = 64;

interface ControlSnapshot {
  readonly at: number;
  /** Entries of control below this offset are in it. */
  readonly position: number;
  readonly fold: string;
  readonly signedBy: (key: string) => boolean;
}

export class ControlSnapshotAudit {
  private readonly context: AuditContext;
  private readonly topic: string;
  /** In order of position. */
  private waiting: ControlSnapshot[] = [];

  constructor(context: AuditContext) {
    this.context = context;
    this.topic = context.topics.controlSnapshots;
  }

  /** Before control is read. */
  async read(): Promise<void> {
    if ((await partitionsOf(this.context, this.topic)) === 0) return;
    let parts: Uint8Array[] = [];
    for await (const entry of rawEntries(this.context, this.topic, 0)) {
      const { part = '0', parts: count = '1' } = entry.headers;
      if (part === '0') parts = [];
      parts.push(entry.value);
      if (parts.length !== Number(part) + 1 || parts.length < Number(count)) continue;
      const value = Buffer.concat(parts);
      parts = [];
      const snapshot = decoded(this.context, this.topic, 0, entry, () => this.decode(value, entry.offset));
      if (snapshot !== undefined) this.waiting.push(snapshot);
      else this.report('unreadable', entry.offset, `under the key ${keyText(entry)} stands no snapshot of control`);
      if (this.waiting.length > COMPARED) this.waiting.shift();
    }
    this.waiting.sort((a, b) => a.position - b.position);
  }

  /** Before the entry at this offset is folded; Infinity once control is at its end. `key`: of the run. */
  meet(offset: number, fold: ControlFold, key: string): void {
    for (let next = this.waiting[0]; next !== undefined && next.position <= offset; next = this.waiting[0]) {
      this.waiting.shift();
      if (!next.signedBy(key)) this.report('zombie', next.at, 'it is not signed by an orchestrator of this run');
      else if (next.fold !== digestOf(foldToJson(fold)))
        this.report('conflicting', next.at, `it says other than the entries of control below offset ${next.position}`);
    }
  }

  private decode(value: Uint8Array, at: number): ControlSnapshot | undefined {
    const { body, signature } = decodeEnvelope(value);
    if (!isPlainObject(body)) return undefined;
    const { position, fold } = body;
    if (typeof position !== 'number' || fold === undefined) return undefined;
    const { title } = this.context;
    const signedBy = (key: string): boolean => verifySigned('mizu-control-snapshot-v1', title, { body, signature }, fromHex(key));
    return { at, position, fold: digestOf(fold), signedBy };
  }

  private report(kind: 'zombie' | 'conflicting' | 'unreadable', at: number, what: string): void {
    this.context.findings.report(kind, { topic: this.topic, partition: 0, offset: at }, what);
  }
}

function digestOf(json: Json): string {
  return toHex(sha256(canonicalBytes(json)));
}
