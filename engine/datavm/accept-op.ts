/**
 * Exact count (P4): keeps the first N records in canonical order, rejects the rest of the task that reaches N.
 * State: how many were accepted. Delta of a step: how many it accepted. The fold is a sum, so it suffices.
 */
import type { KeyedBatch, KeyedExecutor, KeyedSink } from '../contract/executor.ts';
import { ByteReader } from '../proof/byte-reader.ts';
import { ByteWriter } from '../proof/byte-writer.ts';

export const OVER_COUNT = 'over count';

export class AcceptOp implements KeyedExecutor {
  private readonly limit: number;
  accepted = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get reached(): boolean {
    return this.accepted >= this.limit;
  }

  step(batch: KeyedBatch, out: KeyedSink): Uint8Array {
    const room = Math.max(0, this.limit - this.accepted);
    batch.rows.forEach((row, position) => {
      if (position >= room) out.reject(row, { rule: OVER_COUNT, measured: this.accepted + position + 1, limit: this.limit });
    });
    const writer = new ByteWriter();
    writer.long(Math.min(room, batch.rows.length));
    return writer.take();
  }

  apply(delta: Uint8Array): void {
    this.accepted += new ByteReader(delta).long();
  }

  snapshot(): Uint8Array {
    const writer = new ByteWriter();
    writer.long(this.accepted);
    return writer.take();
  }

  restore(state: Uint8Array): void {
    this.accepted = new ByteReader(state).long();
  }
}
