/** A source on the log is the source that was compiled, copied once and read in any order (P13). */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DigestHex, digestHex, type Log, MizuError, packSource, type RecordStream } from '#engine';
import { ingest, SourceReader, unpackSource } from '../../../engine/runtime/source-store.ts';
import { codeOf, readAll, rejection, text } from '../../support/log-tools.ts';
import { withQuickLog } from '../../support/run-support.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const TOPIC = 'w.1.source';
const BATCH = 100;
/** Between marks; no whole number of batches or entries. */
const MARK_RECORDS = 730;
const NEVER = new AbortController().signal;
/** More than two entries' worth. */
const RECORDS: readonly string[] = Array.from({ length: 2_500 }, (_, n) => `record ${n}${'.'.repeat(n % 7)}`);

function streamOf(lines: readonly string[], compiled: readonly string[] = lines): RecordStream & { readonly asked: number[] } {
  const asked: number[] = [];
  const info: RecordStream['info'] = { format: 'text', records: compiled.length, digest: digestOf(compiled) };
  const between = Array.from({ length: Math.floor((compiled.length - 1) / MARK_RECORDS) }, (_, n) => (n + 1) * MARK_RECORDS);
  return {
    asked,
    info,
    marks: [...between.map((records) => ({ records, digest: digestOf(compiled.slice(0, records)) })), info],
    async *records(from) {
      asked.push(from);
      for (let at = from; at < lines.length; at += BATCH)
        yield lines.slice(at, Math.min(at + BATCH, lines.length)).map((line) => Buffer.from(line));
    },
  };
}

function digestOf(lines: readonly string[]): DigestHex {
  const hash = createHash('sha256').update(packSource(lines.map((line) => Buffer.from(line))));
  return digestHex(hash.digest('hex'));
}

async function withSource<T>(use: (log: Log) => Promise<T>): Promise<T> {
  return withQuickLog(async (log) => {
    await log.createTopic({ name: TOPIC, partitions: 1, cleanup: 'keep' });
    return use(log);
  });
}

const copy = (log: Log, source: RecordStream, signal: AbortSignal = NEVER): Promise<void> =>
  ingest(log, TOPIC, 'w/1/ingest', source, signal);

/** Stops the copy after so many records. */
function stopping(source: RecordStream, after: number): { source: RecordStream; signal: AbortSignal } {
  const stop = new AbortController();
  return {
    signal: stop.signal,
    source: {
      ...source,
      async *records(from) {
        let given = 0;
        for await (const records of source.records(from)) {
          if (given >= after) stop.abort();
          given += records.length;
          yield records;
        }
      },
    },
  };
}

describe('a copied source', () => {
  it('gives any range in any order, also a step back', async () => {
    await withSource(async (log) => {
      await copy(log, streamOf(RECORDS));
      const reader = new SourceReader(log, TOPIC);
      const range = fc
        .tuple(fc.nat(RECORDS.length), fc.nat(60))
        .map(([from, size]) => [from, Math.min(from + size, RECORDS.length)] as const);
      await fc.assert(
        fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 6 }), async (ranges) => {
          for (const [from, to] of ranges) expect((await reader.range(from, to)).map(text)).toEqual(RECORDS.slice(from, to));
        }),
        { seed: SEED, numRuns: 30 },
      );
    });
  });

  it('of many entries gives what any of several nodes is given of it: forwards, with gaps of any width', async () => {
    // More entries than are passed over one by one, and ranges that end within any of them.
    const records = Array.from({ length: 26_000 }, (_, n) => String(n));
    await withSource(async (log) => {
      await copy(log, streamOf(records));
      const gaps = fc.array(fc.tuple(fc.nat(12_000), fc.integer({ min: 1, max: 900 })), { minLength: 1, maxLength: 8 });
      await fc.assert(
        fc.asyncProperty(gaps, async (steps) => {
          const reader = new SourceReader(log, TOPIC);
          let at = 0;
          for (const [gap, size] of steps) {
            const from = Math.min(at + gap, records.length);
            at = Math.min(from + size, records.length);
            expect((await reader.range(from, at)).map(text)).toEqual(records.slice(from, at));
          }
        }),
        { seed: SEED, numRuns: 100 },
      );
    });
  });

  it('is read on after a read that failed, wherever the next range lies', async () => {
    const records = Array.from({ length: 26_000 }, (_, n) => String(n));
    await withSource(async (log) => {
      await copy(log, streamOf(records));
      let left = Number.POSITIVE_INFINITY;
      const failing: Log = {
        ...log,
        end: (topic, partition) => log.end(topic, partition),
        read: (...place) => (left-- > 0 ? log.read(...place) : Promise.reject(new MizuError('LOG_UNAVAILABLE', 'The broker is away'))),
      };
      await fc.assert(
        fc.asyncProperty(fc.nat(25_990), fc.nat(12), fc.nat(25_990), async (first, reads, second) => {
          const reader = new SourceReader(failing, TOPIC);
          left = reads;
          await reader.range(first, first + 10).catch((error: unknown) => expect(codeOf(error)).toBe('LOG_UNAVAILABLE'));
          left = Number.POSITIVE_INFINITY;
          expect((await reader.range(second, second + 10)).map(text)).toEqual(records.slice(second, second + 10));
        }),
        { seed: SEED, numRuns: 100 },
      );
    });
  });

  it('says which records are missing beyond its end', async () => {
    await withSource(async (log) => {
      await copy(log, streamOf(RECORDS.slice(0, 10)));
      const error = await rejection(new SourceReader(log, TOPIC).range(8, 12));
      expect(error.code).toBe('SOURCE_UNAVAILABLE');
      expect(error.message).toContain('records 10 to 12');
    });
  });

  it('goes on where an interrupted copy stopped, and is the same in the end', async () => {
    await withSource(async (log) => {
      const first = stopping(streamOf(RECORDS), 1_700);
      expect(codeOf(await rejection(copy(log, first.source, first.signal)))).toBe('INTERRUPTED');
      const committed = (await readAll(log, TOPIC, 0)).reduce((sum, entry) => sum + Number(entry.headers['count']), 0);
      expect(committed).toBe(2 * MARK_RECORDS);
      const again = streamOf(RECORDS);
      await copy(log, again);
      expect(again.asked).toEqual([committed]);
      expect((await new SourceReader(log, TOPIC).range(0, RECORDS.length)).map(text)).toEqual(RECORDS);
      await copy(log, streamOf(RECORDS));
      const entries = await readAll(log, TOPIC, 0);
      expect(entries.reduce((sum, entry) => sum + Number(entry.headers['count']), 0)).toBe(RECORDS.length);
    });
  });

  it('that changed is refused, and nothing of what changed is on the log: other bytes, fewer records, more records', async () => {
    const compiled = RECORDS.slice(0, 1_200);
    const other = (at: number): string[] => [...compiled.slice(0, at), 'other', ...compiled.slice(at + 1)];
    for (const lines of [
      other(7),
      other(MARK_RECORDS - 1),
      other(MARK_RECORDS),
      other(1_199),
      compiled.slice(0, -1),
      [...compiled, 'one more'],
    ]) {
      await withSource(async (log) => {
        expect(codeOf(await rejection(copy(log, streamOf(lines, compiled))))).toBe('SOURCE_UNAVAILABLE');
        const there = (await readAll(log, TOPIC, 0)).flatMap((entry) => unpackSource(entry, TOPIC).records.map(text));
        expect(there).toEqual(compiled.slice(0, there.length));
        await copy(log, streamOf(compiled));
        expect((await new SourceReader(log, TOPIC).range(0, compiled.length)).map(text)).toEqual(compiled);
      });
    }
  });

  it('that changed between two halves of a copy is refused, unless only what was copied before changed', async () => {
    const compiled = RECORDS.slice(0, 1_200);
    const halved = async (at: number, then: (log: Log, changed: RecordStream) => Promise<unknown>): Promise<unknown> =>
      withSource(async (log) => {
        const first = stopping(streamOf(compiled), 1_000);
        expect(codeOf(await rejection(copy(log, first.source, first.signal)))).toBe('INTERRUPTED');
        return then(log, streamOf([...compiled.slice(0, at), 'other', ...compiled.slice(at + 1)], compiled));
      });
    await halved(1_100, async (log, changed) => expect(codeOf(await rejection(copy(log, changed)))).toBe('SOURCE_UNAVAILABLE'));
    await halved(7, async (log, changed) => {
      await copy(log, changed);
      expect((await new SourceReader(log, TOPIC).range(0, compiled.length)).map(text)).toEqual(compiled);
    });
  });

  it('keeps records of no bytes', async () => {
    await withSource(async (log) => {
      await copy(log, streamOf(['', 'a', '']));
      expect((await new SourceReader(log, TOPIC).range(0, 3)).map(text)).toEqual(['', 'a', '']);
    });
  });

  it('whose entry ends in the middle of a record is corrupt, at its offset', async () => {
    await withSource(async (log) => {
      const writer = await log.openWriter('test');
      await writer.commit([{ topic: TOPIC, partition: 0, value: Uint8Array.of(0, 0, 0, 9, 65), headers: { from: '0', count: '1' } }]);
      await writer.waitVisible();
      const error = await rejection(new SourceReader(log, TOPIC).range(0, 1));
      expect(error.code).toBe('LOG_CORRUPT');
      expect(error.message).toMatch(/w\.1\.source, partition 0, offset \d+: /);
    });
  });
});
