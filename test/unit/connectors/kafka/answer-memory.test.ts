/** Fetched bytes stay as long as anybody may look at them, and not longer than the last one who said so (law 6). */
import { describe, expect, it } from 'vitest';
import { freeBytes } from '#engine';
import { AnswerMemory, takeRecords } from '../../../../connectors/kafka/answer-memory.ts';

const LARGE = 256 * 1024;
const answer = (): Buffer => Buffer.alloc(LARGE, 7);

describe('the bytes of an answer', () => {
  it('are there until the last holder lets go, and gone then', () => {
    const bytes = answer();
    const memory = new AnswerMemory(bytes);
    memory.hold();
    const share = memory.share();
    memory.letGo();
    expect(bytes.length).toBe(LARGE);
    share();
    expect(bytes.length).toBe(0);
  });

  it('are let go of once by a reader that says so twice', () => {
    const bytes = answer();
    const memory = new AnswerMemory(bytes);
    memory.hold();
    const share = memory.share();
    share();
    share();
    expect(bytes.length).toBe(LARGE);
  });

  it('are held for many records, and not for a few, which are copied', () => {
    const bytes = answer();
    const memory = new AnswerMemory(bytes);
    memory.hold();
    memory.hold();
    const few = takeRecords({ records: bytes.subarray(0, 100), memory });
    const many = takeRecords({ records: bytes.subarray(100), memory });
    expect([few.memory, many.memory]).toEqual([undefined, memory]);
    many.memory?.letGo();
    expect([bytes.length, few.records.length, few.records[99]]).toEqual([0, 100, 7]);
  });
});

describe('memory that is given back', () => {
  it('is never that of the pool which small buffers share', () => {
    const others = Array.from({ length: 50 }, (_, n) => Buffer.from([n]));
    for (const [n, buffer] of others.entries()) if (n % 2 === 0) freeBytes(buffer);
    expect(others.map((buffer) => buffer[0])).toEqual(others.map((_, n) => n));
  });
});
