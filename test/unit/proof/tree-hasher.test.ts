import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leafHash, rootOf } from '../../../engine/proof/merkle.ts';
import { RootBuilder } from '../../../engine/proof/root-builder.ts';
import type { TreeHasher } from '../../../engine/proof/tree-hasher.ts';
import {
  LANE_MESSAGE_BYTES,
  LANE_MESSAGES,
  LaneHasher,
  lanesElsePlain,
  PLAIN_HASHER,
  paddedBytes,
  treeHasher,
} from '../../../engine/proof/tree-hasher.ts';

const LEAF = Buffer.of(0);
const hashers: Readonly<Record<string, TreeHasher | undefined>> = {
  'in lanes': new LaneHasher(),
  'one by one': PLAIN_HASHER,
  'as this machine does best': undefined,
};

/** `length` bytes that differ by seed. */
function entry(length: number, seed: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, n) => (n * 31 + seed * 7 + (seed >> 8)) % 256));
}

const rootByDefinition = (entries: readonly Uint8Array[]): Buffer => Buffer.from(rootOf(entries.map(leafHash)));
const addAll = (builder: RootBuilder, entries: readonly Uint8Array[]): void => {
  for (const one of entries) builder.add(Buffer.concat([LEAF, one]));
};

/** Runs of entries: each of one length, as frames have them, or of any. */
const run = fc
  .tuple(fc.nat({ max: 300 }), fc.nat({ max: 200 }), fc.nat({ max: 1000 }), fc.boolean())
  .map(([length, count, seed, mixed]) =>
    Array.from({ length: count }, (_, n) => entry(mixed ? (length + n * 37) % 301 : length, seed + n)),
  );
const tree = fc.array(run, { maxLength: 6 }).map((runs) => runs.flat());

describe.each(Object.entries(hashers))('trees that are hashed %s', (_, hasher) => {
  it('have the root of RFC 6962, whatever the leaves', () => {
    fc.assert(
      fc.property(tree, (entries) => {
        const builder = new RootBuilder(hasher);
        addAll(builder, entries);
        expect(Buffer.from(builder.finish())).toEqual(rootByDefinition(entries));
      }),
      { numRuns: 40 },
    );
  });

  it('have it for every number of leaves, and across subtrees', () => {
    const entries = Array.from({ length: 3100 }, (_, n) => entry(69, n));
    const hashes = entries.map(leafHash);
    for (const size of [...Array(140).keys(), 1023, 1024, 1025, 1026, 1027, 2048, 2049, 3072, 3075, 3100]) {
      const builder = new RootBuilder(hasher);
      addAll(builder, entries.slice(0, size));
      expect(Buffer.from(builder.finish()), `${size} leaves`).toEqual(Buffer.from(rootOf(hashes.slice(0, size))));
    }
  });

  it('are each by itself, however their leaves come', () => {
    fc.assert(
      fc.property(fc.array(tree, { minLength: 2, maxLength: 8 }), fc.nat({ max: 1000 }), (trees, seed) => {
        const open = trees.map((entries) => ({ entries, added: 0, builder: new RootBuilder(hasher) }));
        const roots = new Map<readonly Uint8Array[], Buffer>();
        for (let turn = seed; open.length > 0; turn = (turn * 48271 + 11) % 2147483647) {
          const at = turn % open.length;
          const one = open[at];
          if (one === undefined) continue;
          const until = one.added + 1 + (turn % 40);
          addAll(one.builder, one.entries.slice(one.added, until));
          one.added = until;
          if (until < one.entries.length) continue;
          roots.set(one.entries, Buffer.from(one.builder.finish()));
          open.splice(at, 1);
        }
        for (const entries of trees) expect(roots.get(entries)).toEqual(rootByDefinition(entries));
      }),
      { numRuns: 15 },
    );
  });

  it('may be given up half done without harm to the next', () => {
    addAll(new RootBuilder(hasher), [entry(69, 1), entry(37, 2), entry(37, 3)]);
    const builder = new RootBuilder(hasher);
    addAll(builder, [entry(37, 4), entry(37, 5)]);
    expect(Buffer.from(builder.finish())).toEqual(rootByDefinition([entry(37, 4), entry(37, 5)]));
    expect(() => addAll(builder, [entry(37, 6)])).toThrow('after its root');
  });
});

describe('messages of equal length', () => {
  it.each([new LaneHasher(), PLAIN_HASHER])('have the digests of FIPS 180-4 for every length and number', (hasher) => {
    for (let length = 0; length <= LANE_MESSAGE_BYTES; length++) {
      const count = 1 + (length % LANE_MESSAGES);
      const stride = paddedBytes(length);
      const messages = Buffer.alloc(count * stride);
      const out = Buffer.alloc((count + 2) * 32, 0xee);
      const expected = Array.from({ length: count }, (_, n) => {
        const message = entry(length, n + length);
        messages.set(message, n * stride);
        messages[n * stride + length] = 0x80;
        messages.writeUInt16BE(length * 8, (n + 1) * stride - 2);
        return createHash('sha256').update(message).digest();
      });
      hasher.hash(messages, length, count, out, 1);
      const untouched = Buffer.alloc(32, 0xee);
      expect(out, `${count} messages of ${length} bytes`).toEqual(Buffer.concat([untouched, ...expected, untouched]));
    }
  });
});

describe('a machine', () => {
  it('without vectors hashes one by one', () => {
    const made = lanesElsePlain(() => {
      throw new SyntaxError('no vectors');
    });
    expect(made).toBe(PLAIN_HASHER);
  });

  it('with vectors hashes in lanes, as this one', () => {
    expect(treeHasher()).toBeInstanceOf(LaneHasher);
  });
});
