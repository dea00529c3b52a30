/**
 * The results topic, read raw: each entry in the partition of the member that it names, signed under a key that this number was admitted with, and lives
 * of a number one after the other. Admissions may be read later than what their members wrote: what is not known yet is asked again at the end.
 */
import type { LogEntry } from '../contract/log.ts';
import type { ResultBody } from '../dispatch/member-entry.ts';
import type { SignedEntry } from '../dispatch/signed-entry.ts';
import { decodeResult, verifySigned } from '../dispatch/signed-entry.ts';
import { fromHex, sha256, toHex } from '../proof/sha256.ts';
import type { ControlAudit } from './audit-control.ts';
import type { Place } from './audit-findings.ts';
import { type AuditContext, decoded, partitionsOf, rawEntries } from './audit-reader.ts';

/** Results that wait for the rest of control; a run that is alive writes a few between two reads. */
const WAITING_LIMIT = 10_000;

interface Waiting {
  readonly place: Place;
  readonly signed: SignedEntry<ResultBody>;
}

export class ResultAudit {
  private readonly context: AuditContext;
  private readonly control: ControlAudit;
  private readonly waiting: Waiting[] = [];
  /** By partition, where the next reading goes on, and whose life wrote last. */
  private readonly positions: number[] = [];
  private readonly lives: string[] = [];
  private late = 0;

  constructor(context: AuditContext, control: ControlAudit) {
    this.context = context;
    this.control = control;
  }

  /** Called before the other topics are read, and once more after them: a run that is alive goes on committing. */
  async read(): Promise<void> {
    const topic = this.context.topics.results;
    const partitions = await partitionsOf(this.context, topic);
    for (let partition = 0; partition < partitions; partition++) {
      for await (const entry of rawEntries(this.context, topic, partition, this.positions[partition])) {
        this.positions[partition] = entry.offset + 1;
        const body = this.take(topic, partition, entry);
        if (body?.type !== 'heartbeat' || body.incarnation === this.lives[partition]) continue;
        this.lives[partition] = body.incarnation;
        this.context.facts.add('life', partition, body.incarnation, entry.offset);
      }
    }
    this.late = 1;
  }

  /** Once control is read to its end: whoever still is nobody that it admitted has no right to what he wrote. */
  settle(): void {
    for (const { place, signed } of this.waiting) if (!this.isGenuine(signed)) this.foreign(place, signed);
  }

  private take(topic: string, partition: number, entry: LogEntry): ResultBody | undefined {
    const signed = decoded(this.context, topic, partition, entry, () => decodeResult(entry.value));
    if (signed === undefined) return undefined;
    const { body } = signed;
    const place = { topic, partition, offset: entry.offset };
    if (body.node !== partition) {
      this.context.findings.report('zombie', place, `node ${body.node} wrote '${body.type}' into the results of node ${partition}`);
      return undefined;
    }
    if (!this.isGenuine(signed)) {
      if (this.waiting.length < WAITING_LIMIT) this.waiting.push({ place, signed });
      else this.foreign(place, signed);
    }
    this.keep(body, entry);
    return body;
  }

  private keep(body: ResultBody, entry: LogEntry): void {
    const { facts } = this.context;
    if (body.type === 'task')
      facts.add('task', body.k, body.attempt, body.node, body.candidates, toHex(sha256(entry.value)), body.leaves, entry.offset, this.late);
    if (body.type === 'step') {
      const { stage, partition, k, epoch, node, accepted, duplicates, failed } = body;
      const rejected = Object.values(body.rejected).reduce((sum, count) => sum + count, 0);
      facts.add('step', stage, partition, k, epoch, node, accepted, duplicates, failed, rejected, entry.offset);
    }
    if (body.type === 'sealed') facts.add('sealed', body.node, entry.offset);
  }

  private isGenuine(signed: SignedEntry<ResultBody>): boolean {
    for (const key of this.control.keysOf(signed.body.node))
      if (verifySigned('mizu-result-v1', this.context.title, signed, fromHex(key))) return true;
    return false;
  }

  private foreign(place: Place, { body }: SignedEntry<ResultBody>): void {
    this.context.findings.report('zombie', place, `'${body.type}' is signed by nobody that control admitted as node ${body.node}`);
  }
}
