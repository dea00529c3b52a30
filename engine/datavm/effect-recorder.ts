/**
 * Collects what one op does to one block, and applies it when the op is done: an op never changes its input (law 2), and
 * nothing vanishes (law 5): every live row ends kept, rejected, failed or flagged, once.
 */
import { invariant, messageOf, MizuError } from '../contract/errors.ts';
import type { EffectSink, Measured, ValueRoom } from '../contract/executor.ts';
import type { OpSpec } from '../contract/program.ts';
import type { Field, FieldType, Value } from '../contract/types.ts';
import { LONG_LIMIT } from '../contract/types.ts';
import { FLAGS_FIELD } from '../compile/kernel-fields.ts';
import { ByteReader } from '../proof/byte-reader.ts';
import { ByteWriter } from '../proof/byte-writer.ts';
import type { Drop, Effect, FieldChange } from '../proof/effect.ts';
import { VERDICT } from '../proof/effect.ts';
import { sha256 } from '../proof/sha256.ts';
import { valueCodec } from '../proof/value-codec.ts';
import type { Block } from './block.ts';
import { changedValues } from './changed-values.ts';
import type { Column } from './column.ts';
import { BytesBuilder, ColumnPatch, mergeColumn, sameAt, sliceOf } from './column.ts';

/** Room for a field begins with what the block before took and an eighth more, so that it seldom has to grow. */
const SPARE_SHIFT = 3;
/** Longest error message kept in a drop, characters. */
const MESSAGE_LIMIT = 500;

interface Why {
  readonly kind: 'rejected' | 'failed' | 'flagged' | 'noted';
  readonly measured?: Measured | undefined;
  readonly limit?: Measured | undefined;
  readonly code?: string;
  readonly message?: string;
}

/** What `reject` means where the record stays. */
const KEPT_KINDS: Readonly<Partial<Record<OpSpec['onFail'], 'flagged' | 'noted'>>> = { flag: 'flagged', note: 'noted' };

/** `length: measured 3, expected 20 to 200 words`. */
function noteOf(rule: string, { measured, limit }: Why): string {
  const parts = [...(measured === undefined ? [] : [`measured ${measured}`]), ...(limit === undefined ? [] : [`expected ${limit}`])];
  return parts.length === 0 ? rule : `${rule}: ${parts.join(', ')}`;
}

export interface AppliedEffect {
  readonly effect: Effect;
  readonly drops: readonly Drop[];
  /** Rows with at least one changed field that existed before. */
  readonly changedRows: Uint32Array;
  readonly flaggedRows: readonly number[];
  /** Bytes of the columns that the op made. */
  readonly madeBytes: number;
}

export class EffectRecorder implements EffectSink {
  private readonly block: Block;
  private readonly op: OpSpec;
  private readonly stage: number;
  private readonly opIndex: number;
  private readonly why = new Map<number, Why>();
  private readonly patches = new Map<string, ColumnPatch>();
  private readonly types = new Map<string, FieldType>();
  private readonly answers: Uint8Array[] = [];
  private charged = 0;
  private readonly writer = new ByteWriter();
  /** By field, the bytes that the op made of it in the block before: how much room to begin with. Owned by the op. */
  private readonly sizes: Map<string, number>;

  constructor(block: Block, op: OpSpec, stage: number, opIndex: number, sizes: Map<string, number> = new Map()) {
    this.sizes = sizes;
    this.block = block;
    this.op = op;
    this.stage = stage;
    this.opIndex = opIndex;
    for (const field of op.writes) this.types.set(field.name, field.type);
  }

  reject(row: number, why: { readonly measured?: Measured | undefined; readonly limit?: Measured | undefined } = {}): void {
    if (this.why.get(row)?.kind === 'failed') return;
    this.why.set(row, { kind: KEPT_KINDS[this.op.onFail] ?? 'rejected', measured: why.measured, limit: why.limit });
  }

  fail(row: number, code: string, message: string): void {
    this.why.set(row, { kind: 'failed', code, message: message.slice(0, MESSAGE_LIMIT).toWellFormed() });
  }

  hasFailed(row: number): boolean {
    return this.why.get(row)?.kind === 'failed';
  }

  setText(field: string, row: number, text: string): void {
    if (!text.isWellFormed()) {
      this.fail(row, 'TEXT_MALFORMED', `Field '${field}': the text holds a lone surrogate and has no UTF-8 form`);
      return;
    }
    this.patch(field).setBytes(row, Buffer.from(text, 'utf8'));
  }

  setBytes(field: string, row: number, bytes: Uint8Array): void {
    this.patch(field).setBytes(row, bytes);
  }

  room(field: string): ValueRoom {
    return this.patch(field);
  }

  setNumber(field: string, row: number, value: number): void {
    if (!Number.isFinite(value)) {
      this.fail(row, 'NUMBER_NOT_FINITE', `Field '${field}' would be ${value}`);
      return;
    }
    if (this.typeOf(field) === 'long' && (!Number.isInteger(value) || Math.abs(value) > LONG_LIMIT)) {
      this.fail(row, 'NUMBER_NOT_WHOLE', `Field '${field}' takes whole numbers within ±2^52, not ${value}`);
      return;
    }
    this.patch(field).setValue(row, value === 0 ? 0 : value);
  }

  setBoolean(field: string, row: number, value: boolean): void {
    this.patch(field).setValue(row, value ? 1 : 0);
  }

  setValue(field: string, row: number, value: Value): void {
    const type = this.typeOf(field);
    if (type === 'string' && typeof value === 'string') return this.setText(field, row, value);
    if ((type === 'long' || type === 'double') && typeof value === 'number') return this.setNumber(field, row, value);
    if (type === 'boolean' && typeof value === 'boolean') return this.setBoolean(field, row, value);
    if (type === 'bytes' && value instanceof Uint8Array) return this.setBytes(field, row, value);
    try {
      const { writer } = this;
      writer.clear();
      valueCodec(type).encode(writer, value);
      if (this.patch(field).layout !== 'encoded')
        throw new MizuError('BYTES_INVALID', `a value of another type was given: ${JSON.stringify(value)?.slice(0, 80)}`);
      this.patch(field).setBytes(row, writer.view());
    } catch (error) {
      this.fail(row, 'VALUE_UNFIT', `Field '${field}': ${messageOf(error)}`);
    }
  }

  charge(gas: number): void {
    invariant(Number.isSafeInteger(gas) && gas >= 0, `gas is a whole number, not ${gas}`);
    this.charged += gas;
  }

  /** Binds an external answer to its row: only hashes enter the effect. */
  answered(row: number, draw: number, request: Uint8Array, response: Uint8Array): void {
    const head = Buffer.allocUnsafe(8);
    head.writeUInt32LE(row, 0);
    head.writeUInt32LE(draw, 4);
    this.answers.push(head, sha256(request), sha256(response));
  }

  private typeOf(field: string): FieldType {
    const type = this.types.get(field);
    invariant(type !== undefined, `step '${this.op.id}' writes field '${field}', which it did not plan`);
    return type;
  }

  private patch(field: string): ColumnPatch {
    let patch = this.patches.get(field);
    if (patch === undefined) {
      patch = new ColumnPatch(this.typeOf(field), this.block.length, this.sizes.get(field));
      this.patches.set(field, patch);
    }
    return patch;
  }

  /** Applies everything to the block and gives the effect. Called once. */
  apply(): AppliedEffect {
    const { block } = this;
    const before = block.rows;
    const drops = this.collectDrops(before);
    const gone = new Uint8Array(block.length);
    for (const [row, why] of this.why) if (why.kind !== 'flagged' && why.kind !== 'noted') gone[row] = 1;
    this.flagRows(before, gone);
    this.noteRows(before, gone);

    const changes: FieldChange[] = [];
    const changed = new Uint8Array(block.length);
    let madeBytes = 0;
    for (const field of this.op.writes) {
      const applied = this.applyField(field, gone, before, changed);
      if (applied === undefined) continue;
      changes.push(applied.change);
      madeBytes += applied.change.values.length;
    }

    const verdicts = new Uint8Array(before.length);
    if (this.why.size > 0) {
      for (let position = 0; position < before.length; position++) {
        const kind = this.why.get(before[position] ?? 0)?.kind;
        if (kind !== undefined && kind !== 'noted') verdicts[position] = VERDICT[kind];
      }
    }
    block.drop(gone);
    const flaggedRows = [...this.why].filter(([, why]) => why.kind === 'flagged').map(([row]) => row);
    const effect: Effect = {
      verdicts,
      drops,
      changes,
      answers: Buffer.concat(this.answers),
      delta: new Uint8Array(0),
      charge: this.charged,
    };
    return { effect, drops, changedRows: marked(changed), flaggedRows, madeBytes };
  }

  private collectDrops(before: Uint32Array): Drop[] {
    const drops: Drop[] = [];
    if (this.why.size === 0) return drops;
    const writer = new ByteWriter();
    for (const row of before) {
      const why = this.why.get(row);
      if (why === undefined || why.kind === 'flagged' || why.kind === 'noted') continue;
      this.block.encodeRow(writer, this.block.schema, row);
      drops.push({
        kind: why.kind,
        i: this.block.indices[row] ?? 0,
        stage: this.stage,
        op: this.opIndex,
        step: this.op.id,
        rule: why.kind === 'rejected' ? this.op.op : '',
        measured: why.measured,
        limit: why.limit,
        code: why.code ?? '',
        message: why.message ?? '',
        winner: undefined,
        record: writer.take(),
      });
    }
    return drops;
  }

  /** Every record has the list once a step of the program may flag; a flagged one gets this step's id. */
  private flagRows(before: Uint32Array, gone: Uint8Array): void {
    if (this.op.onFail !== 'flag') return;
    const { block } = this;
    const codec = valueCodec(FLAGS_FIELD.type);
    const builder = new BytesBuilder(block.length, 'encoded');
    const old = block.has(FLAGS_FIELD.name) ? block.column(FLAGS_FIELD.name) : undefined;
    const writer = new ByteWriter();
    for (const row of before) {
      if (gone[row] === 1) continue;
      const steps = old !== undefined && 'starts' in old ? (codec.decode(new ByteReader(sliceOf(old, row))) as readonly string[]) : [];
      codec.encode(writer, this.why.has(row) ? [...steps, this.op.id] : steps);
      builder.set(row, writer.take());
    }
    block.put(FLAGS_FIELD, builder.finish());
  }

  /** The note is a change like any other: the words are in the effect, and later ops read them. Rules before this one may have begun it. */
  private noteRows(before: Uint32Array, gone: Uint8Array): void {
    const [field] = this.op.writes;
    if (this.op.onFail !== 'note' || field === undefined) return;
    for (const row of before) {
      if (gone[row] === 1) continue;
      const why = this.why.get(row);
      const earlier = this.block.has(field.name) ? this.block.value(field.name, row) : null;
      const words = why === undefined ? [] : [noteOf(this.op.op, why)];
      const all = typeof earlier === 'string' ? [earlier, ...words] : words;
      this.setValue(field.name, row, all.length === 0 ? null : all.join('; '));
    }
  }

  private applyField(
    field: Field,
    gone: Uint8Array,
    before: Uint32Array,
    changed: Uint8Array,
  ): { readonly change: FieldChange } | undefined {
    if (field.name === FLAGS_FIELD.name && this.op.onFail === 'flag') return undefined;
    const { block } = this;
    const isNew = !block.has(field.name);
    const patch = this.patches.get(field.name) ?? (isNew ? new ColumnPatch(field.type, block.length) : undefined);
    if (patch === undefined) return undefined;
    const old: Column | undefined = isNew ? undefined : block.column(field.name);
    if (isNew) this.checkAllSet(field, patch.rows, gone, before);
    const column = patch.finish();
    const rows = changedRows(patch.rows, gone, old, column);
    if (old !== undefined) for (const row of rows) changed[row] = 1;
    if (patch.bytes !== undefined) this.sizes.set(field.name, patch.bytes.length + (patch.bytes.length >> SPARE_SHIFT));
    const values = changedValues(this.writer, field.type, patch, column, rows);
    block.put(field, mergeColumn(old, patch, before));
    return { change: { field: field.name, rows, values } };
  }

  private checkAllSet(field: Field, rows: Uint32Array, gone: Uint8Array, before: Uint32Array): void {
    let next = 0;
    for (const row of before) {
      if (rows[next] === row) next++;
      else invariant(gone[row] === 1, `step '${this.op.id}' left the new field '${field.name}' of row ${row} unset`);
    }
  }
}

/** Rows that were set, are not gone, and hold another value than before. */
function changedRows(set: Uint32Array, gone: Uint8Array, old: Column | undefined, column: Column): Uint32Array {
  const rows = new Uint32Array(set.length);
  let count = 0;
  for (const row of set) if (gone[row] === 0 && (old === undefined || !sameAt(old, column, row))) rows[count++] = row;
  return count === set.length ? rows : rows.slice(0, count);
}

function marked(marks: Uint8Array): Uint32Array {
  const rows = new Uint32Array(marks.length);
  let count = 0;
  for (let row = 0; row < marks.length; row++) if (marks[row] === 1) rows[count++] = row;
  return rows.slice(0, count);
}
