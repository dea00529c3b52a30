/** Records packed one by one are the records packed at once (P13), and what was given away stays as it was. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { packSource, SourcePacker } from '#kernel';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
/** Beyond what room a packer begins with, too. */
const RECORDS = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.nat(20_000).map((length) => new Uint8Array(length).fill(7)),
  ),
  { maxLength: 12 },
);

it(`gives the same bytes, however often it begins anew (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(RECORDS, fc.boolean()), { maxLength: 6 }), (rounds) => {
      const packer = new SourcePacker();
      const taken: { readonly bytes: Uint8Array; readonly expected: string }[] = [];
      for (const [records, takes] of rounds) {
        const expected = Buffer.from(packSource(records)).toString('hex');
        for (const record of records) packer.add(record);
        expect(packer.count).toBe(records.length);
        expect(packer.length).toBe(expected.length / 2);
        expect(Buffer.from(packer.view()).toString('hex')).toBe(expected);
        if (takes) taken.push({ bytes: packer.take(), expected });
        else packer.clear();
      }
      for (const { bytes, expected } of taken) expect(Buffer.from(bytes).toString('hex')).toBe(expected);
    }),
    { seed: SEED },
  );
});
