/**
 * Distinct-n: the share of different word sequences among all of them, over every record (Li et al. 2016, "A Diversity-Promoting Objective Function for Neural
 * Conversation Models", section 5). Words are those of `length`: maximal runs of characters that are not Unicode White_Space; nothing is folded.
 *
 * Algebra. State for each n from 1 to 3: how many sequences there were, and the SKETCH_SIZE smallest different hashes of them. Counts add, the smallest of a union
 * are the smallest of the parts' smallest: any order of deltas gives the same. A hash is the first 48 bits of the SHA-256 of n ‖ the words, joined by a space.
 * Fewer than SKETCH_SIZE different sequences are counted exactly. Of more, the estimate is (SKETCH_SIZE − 1) · 2^48 / (the greatest hash kept), with a relative standard
 * error of 1 / √(SKETCH_SIZE − 2), 1.6 % (Bar-Yossef et al. 2002, "Counting Distinct Elements in a Data Stream"; Beyer et al. 2007, "On Synopses for Distinct-Value Estimation").
 *
 * Delta and snapshot: uvarint texts ‖ for each n: uvarint sequences ‖ uvarint m ‖ m hashes of 6 bytes, ascending.
 */
import type { Json } from '#kernel';
import { asBuffer, ByteReader, ByteWriter, defineOperator, MizuError, sha256, utf8 } from '#kernel';
import { z } from 'zod';
import { existingField, newField, openParams, planField, readRowPath, rootOf, stepWords, toJson } from '../fields.ts';
import { words } from '../text.ts';

/** Hashes that are kept for each n: fewer different sequences are counted exactly. */
export const SKETCH_SIZE = 4_096;
const LONGEST = 3;
const HASH_BYTES = 6;
const HASHES = 2 ** 48;

const params = z.strictObject({
  field: existingField('Text field; dotted paths reach into records.'),
  as: newField('Name of the figures in the report; without it, the step id.').optional(),
});

export const distinct = defineOperator({
  name: 'distinct',
  version: 1,
  group: 'aggregate',
  kind: 'keyed',
  summary: 'How varied texts are: distinct-1, distinct-2 and distinct-3.',
  description:
    'Changes nothing; the report of the run shows { texts, distinct1, distinct2, distinct3 }, each of these { sequences, different, share, exact }: how many sequences of so many words there are in all records, ' +
    'how many different ones, and the second over the first. A word is a maximal run of characters that are not Unicode White_Space; case and punctuation count. Fewer than 4,096 different sequences are counted exactly, ' +
    'more are estimated (standard error 1.6 %), so memory does not grow with the run. A null has no words.',
  params,
  examples: [
    {
      title: 'records pass',
      params: { field: 'body' },
      input: [{ body: 'one two one' }, { body: '' }],
      output: [{ row: { body: 'one two one' } }, { row: { body: '' } }],
    },
    {
      title: 'text inside a record that may be null',
      params: { field: 'mail.body', as: 'variety' },
      schema: [{ name: 'mail', type: { record: [{ name: 'body', type: { optional: 'string' } }] } }],
      input: [{ mail: { body: null } }, { mail: { body: 'a\u00a0b 😀' } }],
      output: [{ row: { mail: { body: null } } }, { row: { mail: { body: 'a\u00a0b 😀' } } }],
    },
    {
      title: 'texts in a script without spaces are one word each',
      params: { field: 'body' },
      input: [{ body: '\u4f60\u597d' }],
      output: [{ row: { body: '\u4f60\u597d' } }],
    },
  ],
  gas: { perRecord: 4, per64Bytes: 16 },
  keyed: { scope: 'global', by: () => [] },
  defaultId: (p) => p.as ?? stepWords('distinct', p.field),
  plan(p, context) {
    if (planField(context, p.field, 'field', ['string']) === undefined) return [];
    return [{ params: toJson(p), reads: [rootOf(p.field)], writes: [] }];
  },
  open(op) {
    const { field } = openParams(params, op.params, 'distinct');
    const read = readRowPath(field);
    const state = new Variety();
    return {
      step(batch) {
        const step = new Variety();
        for (const row of batch.rows) {
          const text = read(batch.row(row));
          if (typeof text === 'string') step.add(text, state);
        }
        return step.encode();
      },
      apply: (delta) => state.merge(delta),
      snapshot: () => state.encode(),
      restore: (bytes) => state.merge(bytes),
      report: () => state.report(),
    };
  },
});

class Variety {
  private texts = 0;
  private readonly sketches = Array.from({ length: LONGEST }, () => new Sketch());

  /** `known`: what is in there already need not be said again. */
  add(text: string, known: Variety): void {
    this.texts++;
    const all = words(utf8(text)).map((word) => asBuffer(word).toString('utf8'));
    for (const [at, sketch] of this.sketches.entries()) {
      const n = at + 1;
      for (let from = 0; from + n <= all.length; from++) sketch.add(hashOf(n, all.slice(from, from + n)), known.sketches[at]);
    }
  }

  encode(): Uint8Array {
    const writer = new ByteWriter();
    writer.uvarint(this.texts);
    for (const sketch of this.sketches) sketch.write(writer);
    return writer.take();
  }

  merge(bytes: Uint8Array): void {
    const reader = new ByteReader(bytes);
    this.texts += reader.uvarint();
    for (const sketch of this.sketches) sketch.merge(reader);
    if (!reader.done)
      throw new MizuError('BYTES_INVALID', `A delta of distinct-n of ${bytes.length} bytes has ${reader.remaining} left over`);
  }

  report(): Json {
    const figures = this.sketches.map((sketch, at) => [`distinct${at + 1}`, sketch.report()] as const);
    return { texts: this.texts, ...Object.fromEntries(figures) };
  }
}

/** The smallest different hashes of a stream, and how long it was. */
class Sketch {
  private total = 0;
  private readonly kept = new Set<number>();
  /** Of those kept, once there are as many as are kept; a greater one changes nothing. */
  private greatest = Number.POSITIVE_INFINITY;

  add(hash: number, known: Sketch | undefined): void {
    this.total++;
    if (known?.has(hash) !== true) this.keep(hash);
  }

  /** Whether it would change nothing here. */
  private has(hash: number): boolean {
    return hash > this.greatest || this.kept.has(hash);
  }

  private keep(hash: number): void {
    if (hash > this.greatest) return;
    this.kept.add(hash);
    if (this.kept.size >= 2 * SKETCH_SIZE) this.trim();
  }

  private trim(): void {
    const smallest = this.smallest();
    this.kept.clear();
    for (const hash of smallest) this.kept.add(hash);
    if (smallest.length === SKETCH_SIZE) this.greatest = smallest[SKETCH_SIZE - 1] ?? this.greatest;
  }

  private smallest(): readonly number[] {
    return [...this.kept].sort((a, b) => a - b).slice(0, SKETCH_SIZE);
  }

  write(writer: ByteWriter): void {
    const smallest = this.smallest();
    writer.uvarint(this.total);
    writer.uvarint(smallest.length);
    const bytes = Buffer.alloc(HASH_BYTES);
    for (const hash of smallest) {
      bytes.writeUIntBE(hash, 0, HASH_BYTES);
      writer.raw(bytes);
    }
  }

  merge(reader: ByteReader): void {
    this.total += reader.uvarint();
    for (let left = reader.uvarint(); left > 0; left--) this.keep(asBuffer(reader.fixed(HASH_BYTES)).readUIntBE(0, HASH_BYTES));
    // The same deltas leave the same state, and what is known decides what the next ones say.
    this.trim();
  }

  report(): Json {
    const smallest = this.smallest();
    const exact = smallest.length < SKETCH_SIZE;
    const greatest = smallest[SKETCH_SIZE - 1] ?? 1;
    const different = exact ? smallest.length : Math.min(this.total, Math.floor((SKETCH_SIZE - 1) * (HASHES / greatest)));
    return { sequences: this.total, different, share: this.total === 0 ? null : different / this.total, exact };
  }
}

function hashOf(n: number, sequence: readonly string[]): number {
  const digest = sha256(Uint8Array.of(n), utf8(sequence.join(' ')));
  return asBuffer(digest).readUIntBE(0, HASH_BYTES);
}
