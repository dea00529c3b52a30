/**
 * Values on their way to a segment and back: through the system's page cache, past it, and from the memory that they went through, they are the bytes that
 * were written, or an error. Laws of `SegmentFile`, `SegmentReader` and `WriteBuffer` (DECISIONS 103).
 */
import { appendFileSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { offset } from '#engine';
import { DIRECT_BLOCK_BYTES, SEGMENT_READ_BYTES, WRITE_BUFFER_BYTES, WRITE_PIECE_BYTES } from '../../../../connectors/embedded/limits.ts';
import { SegmentFile } from '../../../../connectors/embedded/segment-file.ts';
import { WriteBuffer } from '../../../../connectors/embedded/write-buffer.ts';
import { temporaryFolder } from '../../../support/log-embedded.ts';
import { codeOf, commitVisibly, rejection } from '../../../support/log-tools.ts';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const made = temporaryFolder();
  folders.push(made);
  return made;
}

/** Bytes that tell of their place. */
function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, n) => (Math.imul(n + seed, 0x9e3779b1) >>> 24) & 0xff);
}

function buffer(bytes: number): WriteBuffer {
  const made = WriteBuffer.make(bytes);
  if (made === undefined) throw new Error('There is no memory for a buffer');
  return made;
}

describe('the buffer that values go through', () => {
  it('gives of what was put there the same bytes or nothing, and always what was put last', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(sizes, fc.nat(), (lengths, from) => {
        const held = buffer(65_536);
        let position = 0;
        const written = lengths.map((length, n) => {
          const placement = { segment: 1 + (n % 2), position, bytes: length };
          const value = bytesOf(length, n);
          const cut = from % length;
          const put = held.put({ values: [value.subarray(0, cut), value.subarray(cut)], placement });
          expect(put.length % DIRECT_BLOCK_BYTES).toBe(0);
          expect(Buffer.compare(put.subarray(0, length), value)).toBe(0);
          expect(put.subarray(length).every((byte) => byte === 0)).toBe(true);
          position += put.length;
          return { placement, value };
        });
        for (const [n, { placement, value }] of written.entries()) {
          const cut = from % value.length;
          const found = held.find({ ...placement, position: placement.position + cut, bytes: placement.bytes - cut });
          if (n === written.length - 1 || found !== undefined) expect(Buffer.compare(found ?? Buffer.of(), value.subarray(cut))).toBe(0);
          expect(held.find({ ...placement, bytes: placement.bytes + 1 })).toBeUndefined();
        }
      }),
    );
  });

  it('forgets what was given up, and only that', () => {
    const held = buffer(65_536);
    for (const segment of [1, 2])
      for (const position of [0, 4096]) held.put({ values: [bytesOf(10, 0)], placement: { segment, position, bytes: 10 } });
    held.forget(1, 4096);
    const there = (segment: number, position: number): boolean => held.find({ segment, position, bytes: 10 }) !== undefined;
    expect([there(1, 0), there(1, 4096), there(2, 0), there(2, 4096)]).toEqual([true, false, true, true]);
  });
});

describe.each([
  ['through the page cache', () => undefined],
  ['past the page cache, where the disk offers it', () => buffer(4 * WRITE_PIECE_BYTES)],
])('a segment that is written %s', (_, make) => {
  it('holds what was kept where the placements say, and nothing of what was cut back', { timeout: 60_000 }, async () => {
    const path = join(folder(), '1.seg');
    const file = await SegmentFile.make(1, path, make());
    expect(codeOf(await rejection(SegmentFile.make(1, path, make())))).toBe('EEXIST');
    const kept = [];
    for (const [n, sizes] of [[1], [5_000, 1, 70_000], [4096], [WRITE_PIECE_BYTES + 5, 3], [0, 9]].entries()) {
      const values = sizes.map((size, i) => bytesOf(size, n + i));
      const lost = await file.write([bytesOf(9_000, 99)]);
      await file.cutBack(lost.position);
      const placement = await file.write(values);
      await file.sync();
      file.keep(placement);
      expect(file.endsWith(placement)).toBe(true);
      kept.push({ placement, bytes: Buffer.concat(values) });
    }
    await file.close();
    const all = readFileSync(path);
    for (const { placement, bytes } of kept) {
      expect(placement.bytes).toBe(bytes.length);
      expect(Buffer.compare(all.subarray(placement.position, placement.position + bytes.length), bytes)).toBe(0);
    }
    expect(statSync(path).size).toBeLessThan(kept.reduce((sum, { bytes }) => sum + bytes.length + DIRECT_BLOCK_BYTES, 0));
  });
});

describe('a log whose values no longer fit into the memory that they went through', () => {
  it('gives them all to its writer, to another handle and to one that only reads', { timeout: 120_000 }, async () => {
    const directory = folder();
    const log = await openEmbeddedLog({ directory });
    await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
    const writer = await log.openWriter('w');
    const sizes = [SEGMENT_READ_BYTES + 4097, 20_000_000, 700, 30_000_000, 100_000, 33_000_001, 5, SEGMENT_READ_BYTES];
    expect(sizes.reduce((sum, size) => sum + size)).toBeGreaterThan(WRITE_BUFFER_BYTES);
    const values = sizes.map((size, n) => Buffer.alloc(size, bytesOf(1000 + n, n)));
    for (const value of values) await commitVisibly(writer, [{ topic: 't', partition: 0, value }]);
    const other = await openEmbeddedLog({ directory });
    const reader = await openEmbeddedLog({ directory, readOnly: true });
    for (const handle of [log, other, reader])
      for (const [n, value] of values.entries()) {
        const { entries, free } = await handle.read('t', 0, offset(n), { maxEntries: 1 });
        expect(Buffer.compare(entries[0]?.value ?? Buffer.of(), value), `value ${n}`).toBe(0);
        free?.();
      }
    // Of what is not in memory any more, a damaged byte or a missing end is found by the writer itself.
    const segment = join(directory, 'segments', '00000001.seg');
    truncateSync(segment, 10_000_000);
    expect(codeOf(await rejection(log.read('t', 0, offset(1), { maxEntries: 1 })))).toBe('LOG_CORRUPT');
    appendFileSync(segment, Buffer.alloc(11_000_000));
    expect(codeOf(await rejection(log.read('t', 0, offset(1), { maxEntries: 1 })))).toBe('LOG_CORRUPT');
    const reading = other.read('t', 0, offset(3));
    await Promise.allSettled([other.close(), reading]);
    expect(codeOf(await rejection(other.read('t', 0, offset(3))))).toBe('LOG_UNAVAILABLE');
    await Promise.all([log.close(), reader.close()]);
  });
});
