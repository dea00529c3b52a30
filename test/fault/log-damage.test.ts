/**
 * Damage at rest: a changed, cut, emptied, exchanged or older log is refused with LOG_CORRUPT, and nothing wrong is ever
 * served (contract: checked). MIZU_SEED replays the places that are damaged.
 */
import { copyFileSync, cpSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { rowChecksum } from '../../connectors/embedded/checksum.ts';
import { codeOf, commitVisibly, note, outcomeCode, readTexts, rejection } from '../support/log-tools.ts';
import { temporaryFolder } from '../support/log-embedded.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
const FLIPS = Number(process.env['MIZU_FLIPS'] ?? 150);
const MARK = 'a value that is easy to find';

const folders: string[] = [];
let sound = '';

function folder(): string {
  const made = temporaryFolder();
  folders.push(made);
  return made;
}

/** A copy of the sound log, damaged by `damage`. */
function damaged(damage: (directory: string, database: string) => void): string {
  const directory = folder();
  cpSync(sound, directory, { recursive: true });
  damage(directory, join(directory, 'log.db'));
  return directory;
}

/** Everything the log serves, as one text. */
async function everything(directory: string): Promise<string> {
  const log = await openEmbeddedLog({ directory });
  try {
    const topics = await log.topics();
    const contents: unknown[] = [];
    for (const { name, partitions } of topics) {
      for (let partition = 0; partition < partitions; partition++)
        contents.push([await log.end(name, partition), await readTexts(log, name, partition)]);
    }
    return JSON.stringify([topics, contents]);
  } finally {
    await log.close();
  }
}

async function makeLog(directory: string, values: number): Promise<void> {
  const log = await openEmbeddedLog({ directory });
  await log.createTopic({ name: 't', partitions: 2, cleanup: 'keep' });
  const writer = await log.openWriter('w');
  for (let n = 0; n < values; n++) await commitVisibly(writer, [note('t', 0, `${n} ${MARK}`), note('t', 1, `${n} `.repeat(400))]);
  await log.close();
}

beforeAll(async () => {
  sound = folder();
  await makeLog(sound, 30);
});

afterAll(() => {
  for (const made of folders) rmSync(made, { recursive: true, force: true });
});

describe(`a damaged log (seed ${SEED})`, () => {
  it('is never served: one flipped byte in a value is LOG_CORRUPT, naming file and entry', async () => {
    const directory = damaged((_, database) => {
      const content = readFileSync(database);
      const at = content.indexOf(`17 ${MARK}`);
      expect(at).toBeGreaterThan(0);
      content[at + 5] = (content[at + 5] ?? 0) ^ 1;
      writeFileSync(database, content);
    });
    const log = await openEmbeddedLog({ directory });
    const error = await rejection(readTexts(log, 't', 0));
    expect(codeOf(error)).toBe('LOG_CORRUPT');
    expect(error.message).toContain('log.db');
    expect(error.message).toContain('entry 17 of t/0');
    expect(await readTexts(log, 't', 1)).toHaveLength(30);
    await log.close();
  });

  it(`gives what was written or LOG_CORRUPT, whichever of ${FLIPS} random bytes is flipped`, async () => {
    const whole = await everything(sound);
    const bytesInFile = statSync(join(sound, 'log.db')).size;
    const flips = fc.sample(fc.record({ at: fc.nat(bytesInFile - 1), mask: fc.integer({ min: 1, max: 255 }) }), {
      seed: SEED,
      numRuns: FLIPS,
    });
    const directory = damaged(() => {});
    let refused = 0;
    for (const { at, mask } of flips) {
      // A side file left by the last round would stand for the file it belonged to.
      for (const side of ['log.db-wal', 'log.db-shm']) rmSync(join(directory, side), { force: true });
      const content = readFileSync(join(sound, 'log.db'));
      content[at] = (content[at] ?? 0) ^ mask;
      writeFileSync(join(directory, 'log.db'), content);
      const served = await everything(directory).catch((error: unknown) => {
        expect(codeOf(error), `byte ${at} mask ${mask}: ${String(error)}`).toBe('LOG_CORRUPT');
        refused++;
        return whole;
      });
      expect(served, `byte ${at} mask ${mask}`).toBe(whole);
    }
    expect(refused).toBeGreaterThan(FLIPS / 10);
  });

  it.each([
    ['an entry in the middle', 'DELETE FROM entries WHERE id = 7'],
    ['the first entry', 'DELETE FROM entries WHERE id = 0'],
    ['the last entry', 'DELETE FROM entries WHERE id = 29'],
    ['a head', 'DELETE FROM heads WHERE slot = 0'],
    ['a topic', 'DELETE FROM topics'],
    ['the store row', 'DELETE FROM store'],
    ['a table', 'DROP TABLE entries'],
  ])('is refused when %s is missing', async (_, sql) => {
    const directory = damaged((__, database) => {
      const db = new DatabaseSync(database);
      db.exec(sql);
      db.close();
    });
    expect(codeOf(await rejection(everything(directory)))).toBe('LOG_CORRUPT');
  });

  it('is refused when an entry was put in the place of another, although its own bytes are sound', async () => {
    const directory = damaged((_, database) => {
      const db = new DatabaseSync(database);
      db.exec('UPDATE entries SET (crc, headers, key, value) = (SELECT crc, headers, key, value FROM entries WHERE id = 3) WHERE id = 4');
      db.close();
    });
    expect(codeOf(await rejection(everything(directory)))).toBe('LOG_CORRUPT');
  });

  it('keeps nothing of a commit that fails half-way, and goes on', async () => {
    const directory = damaged((_, database) => {
      const db = new DatabaseSync(database);
      db.exec('DELETE FROM heads WHERE slot = 1');
      db.close();
    });
    const log = await openEmbeddedLog({ directory });
    const outcome = await (await log.openWriter('w')).commit([note('t', 0, 'half'), note('t', 1, 'of it')]);
    expect(outcome).toMatchObject({ status: 'aborted', writerDead: true });
    expect(outcomeCode(outcome)).toBe('LOG_CORRUPT');
    expect(await readTexts(log, 't', 0)).toHaveLength(30);
    await commitVisibly(await log.openWriter('w'), [note('t', 0, 'next')]);
    expect((await readTexts(log, 't', 0)).slice(29)).toEqual([`29 ${MARK}`, 'next']);
    await log.close();
  });

  it('of another format is refused by saying which, and which is read', async () => {
    const directory = damaged((made) => {
      const sidecar = JSON.parse(readFileSync(join(made, 'store.json'), 'utf8'));
      const { store, network, epoch } = sidecar;
      const crc = rowChecksum('sidecar', 1, store, network, epoch);
      writeFileSync(join(made, 'store.json'), JSON.stringify({ ...sidecar, format: 1, crc }));
    });
    const error = await rejection(openEmbeddedLog({ directory }));
    expect(codeOf(error)).toBe('USAGE');
    expect(error.message).toMatch(/store\.json says that this log has format 1; this version of Mizu reads format \d/);
  });

  it('takes no commit on top of a head that was put back', async () => {
    const directory = damaged((_, database) => {
      const db = new DatabaseSync(database);
      db.exec(
        'INSERT OR REPLACE INTO entries (id, count, crc, headers, key, value) SELECT id + 1, count, crc, headers, key, value FROM entries WHERE id = 29',
      );
      db.close();
    });
    const log = await openEmbeddedLog({ directory });
    const outcome = await (await log.openWriter('w')).commit([note('t', 0, 'x')]);
    expect(outcomeCode(outcome)).toBe('LOG_CORRUPT');
    await log.close();
  });
});

describe('an exchanged log', () => {
  it.each([
    ['was emptied', (_: string, database: string) => truncateSync(database, 0)],
    ['was cut in the middle of a page', (_: string, database: string) => truncateSync(database, statSync(database).size - 5_000)],
    ['was cut by one byte', (_: string, database: string) => truncateSync(database, statSync(database).size - 1)],
    ['has lost its last page', (_: string, database: string) => truncateSync(database, statSync(database).size - 8_192)],
    ['was cut to its first page', (_: string, database: string) => truncateSync(database, 8_192)],
    ['was removed', (_: string, database: string) => rmSync(database)],
    ['is no database', (_: string, database: string) => writeFileSync(database, 'not a database at all, only some text '.repeat(300))],
    ['has lost its store.json', (directory: string) => rmSync(join(directory, 'store.json'))],
    ['has a store.json that says nothing', (directory: string) => writeFileSync(join(directory, 'store.json'), '{"format":1}')],
    ['has a store.json that is no JSON', (directory: string) => writeFileSync(join(directory, 'store.json'), '\u0000\u0000')],
  ])('is refused, and not made anew, when it %s', async (_, damage) => {
    const directory = damaged(damage);
    const before = statSync(join(directory, 'log.db'), { throwIfNoEntry: false })?.size;
    const error = await rejection(openEmbeddedLog({ directory }));
    expect(codeOf(error)).toBe('LOG_CORRUPT');
    expect(error.hint).toContain('backup');
    expect(codeOf(await rejection(openEmbeddedLog({ directory, readOnly: true })))).toBe('LOG_CORRUPT');
    expect(statSync(join(directory, 'log.db'), { throwIfNoEntry: false })?.size).toBe(before);
  });

  it('is refused when its file belongs to another store', async () => {
    const other = folder();
    await makeLog(other, 2);
    const directory = damaged((_, database) => copyFileSync(join(other, 'log.db'), database));
    const error = await rejection(everything(directory));
    expect(codeOf(error)).toBe('LOG_CORRUPT');
    expect(error.message).toContain('exchanged');
  });

  it('is refused when an older copy was put back', async () => {
    const directory = damaged(() => {});
    const log = await openEmbeddedLog({ directory });
    await commitVisibly(await log.openWriter('newer'), [note('t', 0, 'newer')]);
    await log.close();
    copyFileSync(join(sound, 'log.db'), join(directory, 'log.db'));
    const error = await rejection(everything(directory));
    expect(codeOf(error)).toBe('LOG_CORRUPT');
    expect(error.message).toContain('older copy');
  });

  it.each([
    ['emptied', (database: string) => truncateSync(database, 0)],
    ['removed', (database: string) => rmSync(database)],
    ['exchanged', (database: string) => exchange(database, join(sound, 'log.db'))],
  ])('takes no commit when it was %s while it was open', async (_, damage) => {
    const directory = damaged(() => {});
    const log = await openEmbeddedLog({ directory });
    const writer = await log.openWriter('w');
    damage(join(directory, 'log.db'));
    const outcome = await writer.commit([note('t', 0, 'lost')]);
    expect(outcome).toMatchObject({ status: 'aborted', writerDead: true });
    expect(outcomeCode(outcome)).toBe('LOG_CORRUPT');
    await log.close();
  });
});

/** Puts a copy of the other file in the place of the first, as a new file. */
function exchange(database: string, other: string): void {
  renameSync(database, `${database}.old`);
  copyFileSync(other, database);
}
