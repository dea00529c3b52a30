/** A batch of leaves comes back as it was, and a batch that was cut off anywhere but between two leaves is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeLeaves, encodeLeaves } from '../../../engine/runtime/leaf-batch.ts';
import { moveBytes, packBytes, unpackBytes } from '../../../engine/runtime/packed-bytes.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const leaves = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
const plain = (parts: readonly Uint8Array[]): number[][] => parts.map((part) => [...part]);

describe('a batch of leaves', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(leaves, (parts) => {
        expect(plain(decodeLeaves(encodeLeaves(parts)))).toEqual(plain(parts));
      }),
      { seed: SEED },
    );
  });

  it('that was cut off is a shorter batch only at the end of a leaf, and is refused everywhere else', () => {
    fc.assert(
      fc.property(leaves, (parts) => {
        const whole = encodeLeaves(parts);
        const ends = new Set(parts.map((_, n) => encodeLeaves(parts.slice(0, n)).length).concat(whole.length));
        for (let at = 0; at <= whole.length; at++) {
          const cut = whole.subarray(0, at);
          if (ends.has(at)) expect(plain(decodeLeaves(cut))).toEqual(plain(parts.slice(0, decodeLeaves(cut).length)));
          else expect(() => decodeLeaves(cut)).toThrow(expect.objectContaining({ code: 'BYTES_INVALID' }));
        }
      }),
      { seed: SEED, numRuns: 40 },
    );
  });
});

describe('bytes that cross threads', () => {
  it('come back as they were, in one buffer of their exact size that is moved', () => {
    fc.assert(
      fc.property(leaves, (parts) => {
        const before = plain(parts);
        // Views of a larger buffer, as small Buffers and records of a log entry are.
        const views = parts.map((part) => Buffer.from(part));
        const packed = packBytes(views);
        expect(packed.buffer.byteLength).toBe(parts.reduce((sum, part) => sum + part.length, 0));
        const moved = structuredClone(packed, { transfer: [packed.buffer] });
        expect(packed.buffer.detached).toBe(true);
        expect(plain(unpackBytes(moved))).toEqual(before);
        expect(plain(views)).toEqual(before);
      }),
      { seed: SEED },
    );
  });

  it('are sent in a spare buffer that they fit into and fill at least half', () => {
    const parts = [Buffer.from('one'), Buffer.from('three')];
    for (const [bytes, fits] of [
      [7, false],
      [8, true],
      [16, true],
      [17, false],
    ] as const) {
      const spare = new ArrayBuffer(bytes);
      const packed = packBytes(parts, spare);
      expect(packed.buffer === spare).toBe(fits);
      expect(plain(unpackBytes(packed))).toEqual(plain(parts));
    }
  });

  it('are moved without a copy where they have a large buffer for themselves, and only there', () => {
    const own = Buffer.allocUnsafeSlow(256 * 1024).fill(7);
    const parts = [own.subarray(16, 70_000), own.subarray(70_000, 70_000), own.subarray(70_000, 200_000)];
    const before = plain(parts);
    const packed = moveBytes(parts);
    expect(packed.buffer).toBe(own.buffer);
    const moved = structuredClone(packed, { transfer: [packed.buffer] });
    expect(plain(unpackBytes(moved))).toEqual(before);

    const other = Buffer.allocUnsafeSlow(256 * 1024);
    for (const apart of [
      [other.subarray(0, 10), other.subarray(11, 20)],
      [other.subarray(0, 10), Buffer.allocUnsafeSlow(100_000)],
      [Buffer.from('of the pool of Node')],
      [],
    ]) {
      const copied = moveBytes(apart);
      expect(apart.map((part) => part.buffer)).not.toContain(copied.buffer);
      expect(plain(unpackBytes(copied))).toEqual(plain(apart));
    }
  });
});
