/**
 * Every page and every side file of a real run's log is damaged in turn: whatever a reader is then given is what was written, or LOG_CORRUPT (contract:
 * checked; law 2). MIZU_SEED replays the places.
 */
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { checkStorage, type StorageReport } from '#engine';
import { PAGE_BYTES } from '../../connectors/embedded/limits.ts';
import { lastObject, mizu } from '../support/cli.ts';
import { dice } from '../support/dice.ts';
import { Damage, everything, served } from '../support/log-damage.ts';
import { codeOf, commitVisibly, note } from '../support/log-tools.ts';
import { quickFolder } from '../support/run-support.ts';
import { flipped, Tamper, withTampered } from '../support/tamper.ts';
import { type MadeRun, makeRun, RUNS } from '../support/verify-support.ts';

const SEED = Number(process.env['MIZU_SEED'] ?? Date.now() % 1_000_000);
/** Flips in each page of the database: in its header, its pointers, and elsewhere. */
const FLIPS_PER_PAGE = 5;
const LIMIT_MS = 120_000;
/** Store, topics, heads, owners, entries and segments have a page each before any of them has a second one. */
const FIRST_TABLES = 7;
/** Header of a page of the database (sqlite.org/fileformat2.html#b_tree_pages), then two bytes for each row. */
const POINTER_BYTES = 60;

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const draw = dice(SEED);

describe(`the log of a run (seed ${SEED})`, () => {
  let damage: Damage;
  beforeAll(async () => {
    const { directory } = await makeRun(RUNS.counted);
    damage = new Damage(directory);
    folders.push(damage.directory);
  });

  it('is served right or not at all, whichever byte of whichever page is flipped', { timeout: LIMIT_MS }, async () => {
    const bytes = damage.read('log.db');
    const pages = bytes.length / PAGE_BYTES;
    let named = 0;
    for (let page = 0; page < pages; page++) {
      const places = [draw(12), 12 + draw(100), ...Array.from({ length: FLIPS_PER_PAGE - 2 }, () => draw(PAGE_BYTES))];
      for (const place of places)
        if (await damage.expectNamed('log.db', flipped(bytes, page * PAGE_BYTES + place, 1 << draw(8)), `page ${page}, byte ${place}`))
          named++;
    }
    expect(named).toBeGreaterThan(pages);
  });

  it('is served right or not at all, whichever bit is flipped of what says where the rows of the first tables stand', {
    timeout: LIMIT_MS,
  }, async () => {
    const bytes = damage.read('log.db');
    for (let page = 1; page <= FIRST_TABLES; page++)
      for (let place = 0; place < POINTER_BYTES; place++) {
        const bit = draw(8);
        await damage.expectNamed('log.db', flipped(bytes, page * PAGE_BYTES + place, 1 << bit), `page ${page}, byte ${place}, bit ${bit}`);
      }
  });

  it('is served right or not at all when pages change places, are zero, or are cut off', { timeout: LIMIT_MS }, async () => {
    const bytes = damage.read('log.db');
    const pages = bytes.length / PAGE_BYTES;
    const page = (n: number): Buffer => bytes.subarray(n * PAGE_BYTES, (n + 1) * PAGE_BYTES);
    const put = (...parts: readonly (readonly [number, Uint8Array])[]): Buffer => {
      const changed = Buffer.from(bytes);
      for (const [n, content] of parts) changed.set(content, n * PAGE_BYTES);
      return changed;
    };
    for (let n = 0; n < pages; n++) {
      const other = (n + 1 + draw(pages - 1)) % pages;
      await damage.expectNamed('log.db', put([n, page(other)], [other, page(n)]), `pages ${n} and ${other} exchanged`);
      await damage.expectNamed('log.db', put([n, page(other)]), `page ${other} in the place of ${n}`);
      await damage.expectNamed('log.db', put([n, new Uint8Array(PAGE_BYTES)]), `page ${n} zero`);
      expect(await damage.expectNamed('log.db', bytes.subarray(0, n * PAGE_BYTES), `cut to ${n} pages`)).toBe(true);
      expect(await damage.expectNamed('log.db', bytes.subarray(0, n * PAGE_BYTES + 1 + draw(PAGE_BYTES - 1)), `cut in page ${n}`)).toBe(
        true,
      );
    }
  });

  it('is refused whichever byte of store.json is changed', { timeout: LIMIT_MS }, async () => {
    const bytes = damage.read('store.json');
    for (let at = 0; at < bytes.length - 1; at++)
      expect(await damage.expectNamed('store.json', flipped(bytes, at, 1 << draw(8)), `byte ${at}`), `byte ${at}`).toBe(true);
    for (let length = 0; length < bytes.length - 1; length += 7)
      expect(await damage.expectNamed('store.json', bytes.subarray(0, length), `cut to ${length} bytes`)).toBe(true);
  });
});

describe('a look at all of the store', () => {
  async function lookAt(change: (tamper: Tamper) => void): Promise<StorageReport> {
    return withTampered(run.directory, change, (log) => checkStorage(log, ''));
  }
  let run: MadeRun;
  beforeAll(async () => {
    run = await makeRun(RUNS.counted);
  });

  it('finds nothing where nothing is damaged, and says what it read', async () => {
    const tamper = new Tamper(run.directory);
    const entries = tamper.places().reduce((sum, place) => sum + tamper.read(place).length, 0);
    tamper.close();
    expect(await lookAt(() => {})).toMatchObject({ entries, problems: [], hint: undefined });
  });

  it('names every damaged entry of a partition, and reads on behind each', async () => {
    const { problems, hint } = await lookAt((tamper) => {
      for (const at of [1, 4]) tamper.drop({ topic: 'w.1.control', partition: 0 }, at);
      tamper.drop({ topic: 'w.1.verified', partition: 0 }, 0);
    });
    expect(problems.map(({ where }) => where)).toEqual([
      'w.1.control/0 @1',
      'w.1.control/0 @4',
      'w.1.verified/0 @0',
      expect.stringMatching(/log\.db$/),
    ]);
    expect(problems[1]?.message).toContain('entry 4 of w.1.control/0 is missing');
    expect(problems.at(-1)?.message).toMatch(/it holds \d+ entries, and its partitions \d+/);
    expect(hint).toContain('put back a backup of the whole folder');
  });

  it('is told by the command, with exit code 1, beside what the proofs say', async () => {
    const flags = ['--deep', '--log'];
    const sound = await mizu(['verify', 'w', ...flags, run.directory]);
    expect([sound.code, sound.stderr]).toEqual([0, '']);
    expect(sound.stdout).toMatch(/storage {7}[\d,]+ entries of \d+ topics, [\d.]+ kB, were read, and every check sum holds/);
    const copy = quickFolder();
    folders.push(copy);
    cpSync(run.directory, copy, { recursive: true });
    const tamper = new Tamper(copy);
    tamper.drop({ topic: 'w.1.rejected', partition: 0 }, 0);
    tamper.close();
    const damaged = await mizu(['verify', 'w', ...flags, copy, '--json']);
    expect(damaged.code).toBe(1);
    expect(lastObject(damaged)).toMatchObject({ ok: false, storage: { ok: false, problems: [{ where: 'w.1.rejected/0 @0' }, {}] } });
    const told = await mizu(['verify', 'w', ...flags, copy]);
    expect(told.stdout).toMatch(
      /were read; damaged:\n {4}w\.1\.rejected\/0 @0 +The log file .*log\.db is damaged: entry 0 of w\.1\.rejected\/0 is missing/,
    );
    expect(told.stdout).toContain('try: Nothing damaged is served. Stop every process that uses this log');
  });
});

describe(`the log of a killed process, whose last commits stand in the write-ahead file (seed ${SEED})`, () => {
  const COMMITS = 12;
  const FRAME_BYTES = PAGE_BYTES + 24;
  let damage: Damage;
  /** What is served after each commit. */
  const states: string[] = [];
  /** Size of the write-ahead file after each commit. */
  const sizes: number[] = [];

  beforeAll(async () => {
    const sound = quickFolder();
    folders.push(sound);
    const log = await openEmbeddedLog({ directory: sound });
    await log.createTopic({ name: 't', partitions: 2, cleanup: 'keep' });
    const writer = await log.openWriter('w');
    for (let n = 0; n < COMMITS; n++) {
      await commitVisibly(writer, [note('t', 0, `entry ${n}`), note('t', 1, `${n} `.repeat(9_000))]);
      states.push(await everything(log));
      sizes.push(readFileSync(join(sound, 'log.db-wal')).length);
    }
    const killed = quickFolder();
    cpSync(sound, killed, { recursive: true });
    rmSync(join(killed, 'open'), { recursive: true });
    await log.close();
    damage = new Damage(killed);
    folders.push(killed, damage.directory);
    expect(await served(killed)).toBe(states.at(-1));
  });

  it('loses nothing without a word but, where it was damaged itself, the last commit', { timeout: LIMIT_MS }, async () => {
    const bytes = damage.read('log.db-wal');
    const [whole, ...before] = [states.at(-1), states.at(-2), states.at(-3)];
    // The end of the commit before is also the begin of the last one.
    const lastCommit = sizes.at(-2) ?? 0;
    const frames = (bytes.length - 32) / FRAME_BYTES;
    const places = [
      ...Array.from({ length: 8 }, () => draw(32)),
      ...Array.from({ length: frames }, (_, frame) => [draw(24), 24 + draw(PAGE_BYTES)].map((at) => 32 + frame * FRAME_BYTES + at)).flat(),
    ];
    let named = 0;
    for (const at of places) {
      const given = await damage.outcome('log.db-wal', flipped(bytes, at, 1 << draw(8)));
      if (typeof given === 'string') {
        expect(given === whole || (at >= lastCommit - FRAME_BYTES && before.includes(given)), `byte ${at} of ${bytes.length}`).toBe(true);
        continue;
      }
      expect(codeOf(given), `byte ${at}: ${given.message}`).toBe('LOG_CORRUPT');
      named++;
    }
    expect(named).toBeGreaterThan(places.length / 2);
  });

  it('is opened after a loss of power in the middle of a commit, whichever of its frames reached the disk', {
    timeout: LIMIT_MS,
  }, async () => {
    const bytes = damage.read('log.db-wal');
    const from = sizes.at(-2) ?? 0;
    for (let at = from; at < bytes.length; at += FRAME_BYTES) {
      const torn = Buffer.from(bytes);
      torn.fill(0, at, at + FRAME_BYTES);
      expect(await damage.outcome('log.db-wal', torn)).toBe(states.at(-2));
    }
  });

  it('when it was cut, gives what was committed before the cut, as after a loss of power', { timeout: LIMIT_MS }, async () => {
    const bytes = damage.read('log.db-wal');
    for (const [n, size] of sizes.entries()) {
      expect(await damage.outcome('log.db-wal', bytes.subarray(0, size))).toBe(states[n]);
      const torn = await damage.outcome('log.db-wal', bytes.subarray(0, size - 1 - draw(FRAME_BYTES)));
      if (n > 0) expect(torn).toBe(states[n - 1]);
    }
  });
});
