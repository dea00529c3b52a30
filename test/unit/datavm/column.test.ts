import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BytesBuilder, ColumnPatch, mergeColumn, sliceOf, writeAvro } from '../../../engine/datavm/column.ts';
import { ByteWriter } from '../../../engine/proof/byte-writer.ts';

const ROWS = 12;
const value = fc.uint8Array({ maxLength: 150 });
/** By row: what is set there, and how much more room than needed was asked for. */
const settings = fc.array(fc.option(fc.tuple(value, fc.constantFrom(0, 1, 70, 9000)), { nil: undefined }), {
  minLength: ROWS,
  maxLength: ROWS,
});

const avro = (bytes: Uint8Array): Buffer => {
  const writer = new ByteWriter();
  writer.bytes(bytes);
  return Buffer.from(writer.take());
};

it('a text column gives back each value, and its Avro form without a copy; rows that were not set are empty', () => {
  fc.assert(
    fc.property(settings, (rows) => {
      const builder = new BytesBuilder(ROWS, 'bytes', 1);
      for (const [row, setting] of rows.entries()) {
        if (setting === undefined) continue;
        const [bytes, more] = setting;
        const at = builder.reserve(bytes.length + more);
        builder.data.set(bytes, at);
        builder.commit(row, bytes.length);
      }
      const all = rows.flatMap((setting) => (setting === undefined ? [] : [avro(setting[0])]));
      expect(Buffer.from(builder.values())).toEqual(Buffer.concat(all));
      const column = builder.finish();
      for (const [row, setting] of rows.entries()) {
        const bytes = setting?.[0] ?? new Uint8Array(0);
        expect(Buffer.from(sliceOf(column, row))).toEqual(Buffer.from(bytes));
        const writer = new ByteWriter();
        writeAvro(writer, column, row);
        expect(Buffer.from(writer.take())).toEqual(avro(bytes));
      }
    }),
  );
});

it('a merged column has the patched rows from the patch and the other live ones from before, and the patch keeps its own values', () => {
  fc.assert(
    fc.property(
      settings,
      fc.array(value, { minLength: ROWS, maxLength: ROWS }),
      fc.uniqueArray(fc.nat({ max: ROWS - 1 })),
      (rows, before, alive) => {
        const old = new BytesBuilder(ROWS, 'bytes');
        for (const [row, bytes] of before.entries()) old.set(row, bytes);
        const live = Uint32Array.from(alive.toSorted((a, b) => a - b));
        const patch = new ColumnPatch('string', ROWS, 1);
        for (const row of live) {
          const setting = rows[row];
          if (setting !== undefined) patch.setBytes(row, setting[0]);
        }
        const values = patch.bytes?.values() ?? new Uint8Array(0);
        const own = Buffer.from(values);
        const merged = mergeColumn(old.finish(), patch, live);
        expect(Buffer.from(values)).toEqual(own);
        if (!('starts' in merged)) throw new TypeError('a text column has bytes');
        for (const row of live) expect(Buffer.from(sliceOf(merged, row))).toEqual(Buffer.from(rows[row]?.[0] ?? before[row] ?? []));
      },
    ),
  );
});

it('rows that do not ascend, and values longer than their room, are refused', () => {
  const builder = new BytesBuilder(3, 'bytes');
  builder.set(1, Buffer.of(1));
  expect(() => builder.set(1, Buffer.of(2))).toThrow('ascend');
  expect(() => builder.set(3, Buffer.of(2))).toThrow('ascend');
  builder.reserve(2);
  expect(() => builder.commit(2, 3)).toThrow('reserved');
  const numbers = new ColumnPatch('long', 3);
  numbers.setValue(2, 1);
  expect(() => numbers.setValue(1, 1)).toThrow('ascend');
});
