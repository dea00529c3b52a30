import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Drop, Effect } from '../../../engine/proof/effect.ts';
import { decodeDrop, encodeDrop, encodeEffect, hashEffect, u32Bytes, u32FromBytes } from '../../../engine/proof/effect.ts';
import type { Frame } from '../../../engine/proof/frame.ts';
import { dropEntry, EntryTree, frameRoot, publishedEntry, recordEntry } from '../../../engine/proof/frame.ts';
import { leafHash, rootOf } from '../../../engine/proof/merkle.ts';
import { RootBuilder } from '../../../engine/proof/root-builder.ts';
import { sha256 } from '../../../engine/proof/sha256.ts';

const bytes = fc.uint8Array({ maxLength: 100 });
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
const drop: fc.Arbitrary<Drop> = fc.record({
  kind: fc.constantFrom('rejected', 'failed', 'duplicate'),
  i: fc.nat(),
  stage: fc.nat({ max: 3 }),
  op: fc.integer({ min: -1, max: 5 }),
  step: fc.string(),
  rule: fc.string(),
  measured: fc.option(fc.oneof(fc.double({ noNaN: true }), fc.string()), { nil: undefined }),
  limit: fc.constant(undefined),
  code: fc.string(),
  message: fc.string(),
  winner: fc.option(fc.record({ k: fc.nat(), i: fc.nat() }), { nil: undefined }),
  record: bytes,
});
const effect: fc.Arbitrary<Effect> = fc.record({
  verdicts: bytes,
  drops: fc.array(drop, { maxLength: 3 }),
  changes: fc.array(fc.record({ field: fc.string(), rows: fc.uint32Array({ maxLength: 8 }), values: bytes }), { maxLength: 3 }),
  answers: bytes,
  delta: bytes,
  charge: fc.nat(),
});

it('the hash of an effect is the hash of its encoding', () => {
  fc.assert(
    fc.property(effect, (given) => {
      expect(hashEffect(given)).toEqual(sha256(encodeEffect(given)));
    }),
  );
});

it('a drop that was read is written as it was, and a changed copy of it as it then is', () => {
  fc.assert(
    fc.property(drop, fc.nat(), (given, i) => {
      const encoded = encodeDrop(given);
      const read = decodeDrop(encoded);
      expect({ ...read, record: Uint8Array.from(read.record) }).toEqual({ ...given, record: Uint8Array.from(given.record) });
      expect(Buffer.from(encodeDrop(read))).toEqual(Buffer.from(encoded));
      expect(Buffer.from(encodeDrop({ ...read, i }))).toEqual(Buffer.from(encodeDrop({ ...given, i })));
    }),
  );
});

it('a drop that was read has the leaf of its entry in every tree, and a changed copy of it another', () => {
  const rootOfDrops = (...drops: readonly Drop[]): Buffer => {
    const tree = new EntryTree();
    for (const one of drops) tree.addDrop(one);
    return Buffer.from(tree.finish());
  };
  const rootByDefinition = (...drops: readonly Drop[]): Buffer => Buffer.from(rootOf(drops.map((one) => leafHash(dropEntry(one)))));
  fc.assert(
    fc.property(fc.array(drop, { minLength: 1, maxLength: 5 }), fc.nat(), (given, i) => {
      const read = given.map((one) => decodeDrop(encodeDrop(one)));
      for (let tree = 0; tree < 2; tree++) expect(rootOfDrops(...read)).toEqual(rootByDefinition(...given));
      const changed = read.map((one) => ({ ...one, i }));
      expect(rootOfDrops(...read, ...changed)).toEqual(rootByDefinition(...given, ...given.map((one) => ({ ...one, i }))));
    }),
  );
});

it('positions are written little-endian and read back', () => {
  expect(Buffer.from(u32Bytes(Uint32Array.of(1, 0x01020304)))).toEqual(Buffer.of(1, 0, 0, 0, 4, 3, 2, 1));
  fc.assert(
    fc.property(fc.uint32Array(), (values) => {
      expect(u32FromBytes(u32Bytes(values))).toEqual(values);
    }),
  );
});

describe('trees that are hashed in place', () => {
  it('have the root of RFC 6962 for every size', () => {
    const leaves = Array.from({ length: 70 }, (_, n) => Buffer.from(`entry ${n}`));
    for (let size = 0; size <= leaves.length; size++) {
      const builder = new RootBuilder();
      for (const leaf of leaves.slice(0, size)) builder.add(Buffer.concat([Buffer.of(0), leaf]));
      expect(Buffer.from(builder.finish())).toEqual(Buffer.from(rootOf(leaves.slice(0, size).map(leafHash))));
    }
  });

  it('of frames and published steps have the root over their entries', () => {
    const record = fc.tuple(fc.nat({ max: 0xffffffff }), digest, digest);
    fc.assert(
      fc.property(fc.array(record, { maxLength: 20 }), fc.array(drop, { maxLength: 5 }), (records, drops) => {
        const frame: Frame = {
          k: 0,
          from: 0,
          to: 0,
          candidates: Uint32Array.from(records, ([i]) => i),
          keys: Buffer.concat(records.map(([, key]) => key)),
          digests: Buffer.concat(records.map(([, , own]) => own)),
          lengths: new Uint32Array(records.length),
          records: new Uint8Array(0),
          drops,
        };
        const entries = [...records.map(([i, key, own]) => recordEntry(i, key, own)), ...drops.map(dropEntry)];
        expect(Buffer.from(frameRoot(frame))).toEqual(Buffer.from(rootOf(entries.map(leafHash))));
        const tree = new EntryTree();
        for (const [i, , own] of records) tree.addPublished(i, own);
        for (const one of drops) tree.addDrop(one);
        const published = [...records.map(([i, , own]) => publishedEntry(i, own)), ...drops.map(dropEntry)];
        expect(Buffer.from(tree.finish())).toEqual(Buffer.from(rootOf(published.map(leafHash))));
      }),
    );
  });
});
