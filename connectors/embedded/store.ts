/**
 * Opens the store of a folder: makes it when there is none, and refuses one that was emptied, exchanged for another or
 * put back to an older state, by comparing the database with `store.json` (see sidecar.ts).
 */
import { randomUUID } from 'node:crypto';
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, MizuError, makeFolder } from '#engine';
import { Database } from './database.ts';
import { Presence } from './presence.ts';
import { readSidecar, SIDECAR_NAME, type Sidecar, sidecarText, writeSidecar } from './sidecar.ts';
import { segmentProblems } from './segments.ts';
import { corrupt, translate } from './sqlite-error.ts';
import { refuseDamagedWriteAhead } from './write-ahead-check.ts';
import { hasSchema, readStore, SCHEMA, type StoreRow, writeStore } from './tables.ts';

const DATABASE_NAME = 'log.db';
const DEFAULT_NETWORK = 'local';

export interface StoreOptions {
  readonly directory: string;
  /** undefined: the network of the store, or `local` for a new one. */
  readonly network: string | undefined;
  readonly readOnly: boolean;
  readonly lockDeadlineMs: number;
}

export interface Store {
  readonly db: Database;
  readonly presence: Presence;
  readonly network: string;
  /** Brings `store.json` up to the database's epoch. */
  raiseSidecar(): Promise<void>;
  close(): void;
}

/** @throws LOG_CORRUPT, FILE_UNREADABLE, FILE_UNWRITABLE, LOG_BUSY, USAGE (another network), NOT_FOUND (read only and nothing there). */
export async function openStore(options: StoreOptions): Promise<Store> {
  const directory = options.readOnly ? existingFolder(options.directory) : madeFolder(options.directory);
  const file = join(directory, DATABASE_NAME);
  const sidecar = readSidecar(directory);
  refuseMissingFile(file, sidecar);
  const presence = enter(directory, file, !options.readOnly);
  let db: Database | undefined;
  try {
    if (presence.isAlone) refuseDamagedWriteAhead(file);
    const access = options.readOnly ? readAccess(directory, file) : 'write';
    db = await Database.open({ file, presence, lockDeadlineMs: options.lockDeadlineMs, access });
    if (!options.readOnly) await createIfNew(db, directory, options.network ?? DEFAULT_NETWORK);
    const opened = db;
    await opened.look(() => {
      refuseShortFile(opened);
      for (const { file: segment, what } of segmentProblems(opened, directory)) throw corrupt(segment, what);
    });
    const network = await checkedNetwork(db, directory, options.network);
    db.pinFile();
    return storeOf(db, directory, network, presence);
  } catch (error) {
    db?.close();
    presence.leave();
    throw error;
  }
}

function enter(directory: string, file: string, mark: boolean): Presence {
  try {
    return Presence.enter(directory, mark);
  } catch (error) {
    throw translate(error, file);
  }
}

function storeOf(db: Database, directory: string, network: string, presence: Presence): Store {
  return {
    db,
    presence,
    network,
    raiseSidecar: () =>
      // Under the write lock, so that two processes can't put an older epoch over a newer one.
      db.change(() => {
        const store = readStore(db);
        if ((readSidecar(directory)?.epoch ?? -1) < store.epoch) writeSidecar(directory, sidecarOf(store));
      }),
    close: () => {
      db.close();
      presence.leave();
    },
  };
}

const sidecarOf = (store: StoreRow): Sidecar => ({ store: store.id, network: store.network, epoch: store.epoch });

function madeFolder(directory: string): string {
  try {
    makeFolder(directory);
    return realpathSync(directory);
  } catch (error) {
    throw new MizuError('FILE_UNWRITABLE', `Can't make the log folder ${directory}: ${messageOf(error)}`, {
      cause: error,
      component: directory,
      hint: 'Give a folder that this user may write with --log, for example --log ./.mizu.',
    });
  }
}

function existingFolder(directory: string): string {
  try {
    const real = realpathSync(directory);
    statSync(join(real, DATABASE_NAME));
    return real;
  } catch (error) {
    if (readSidecarIfThere(directory) !== undefined) return realpathSync(directory);
    throw new MizuError('NOT_FOUND', `There is no log in ${directory}`, {
      cause: error,
      component: directory,
      hint: `A log folder holds ${DATABASE_NAME} and ${SIDECAR_NAME}; give the right one with --log.`,
    });
  }
}

function readSidecarIfThere(directory: string): Sidecar | undefined {
  return statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true ? readSidecar(directory) : undefined;
}

/** Checked before SQLite sees the file, because it would make a new, empty store in its place. */
function refuseMissingFile(file: string, sidecar: Sidecar | undefined): void {
  if (sidecar === undefined) return;
  const bytes = statSync(file, { throwIfNoEntry: false })?.size;
  if (bytes === undefined) throw corrupt(file, `it is gone, although ${SIDECAR_NAME} beside it belongs to store ${sidecar.store}`);
  if (bytes === 0) throw corrupt(file, `it is empty, although ${SIDECAR_NAME} beside it belongs to store ${sidecar.store}`);
}

/**
 * SQLite reads a missing half page as zeros. The file itself is never opened here: closing it would drop every POSIX lock of
 * this process on it, those of other handles too (sqlite.org/howtocorrupt.html, 2.2), so only its size is asked for.
 */
function refuseShortFile(db: Database): void {
  const held = statSync(db.file).size;
  const expected = db.wholeBytes();
  // With something in the write-ahead file, pages may still have to be moved into this one.
  if (held < expected && walBytes(db.file) === 0) throw corrupt(db.file, `it was cut: ${held} bytes are left of ${expected}`);
}

const walBytes = (file: string): number => statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;

/**
 * In a folder that nobody here can write, SQLite can't make the shared-memory file it needs beside a log in WAL mode; if
 * the log was closed properly nothing is lost by reading it as frozen. What a crash left in the write-ahead file would be.
 */
function readAccess(directory: string, file: string): 'read' | 'frozen' {
  try {
    accessSync(directory, constants.W_OK);
    return 'read';
  } catch {
    const pending = walBytes(file);
    if (pending === 0) return 'frozen';
    throw new MizuError(
      'FILE_UNREADABLE',
      `The log ${file} has ${pending} bytes in ${DATABASE_NAME}-wal that were not moved into it, and its folder is read-only`,
      {
        component: file,
        hint: 'Its last process was killed or still runs. Copy the whole folder to a place where you may write, and read it there.',
      },
    );
  }
}

/** One process makes the store, under the lock; the others find it made. The sidecar comes last, so its presence means 'complete'. */
async function createIfNew(db: Database, directory: string, network: string): Promise<void> {
  const made = await db.change(() => {
    if (hasSchema(db)) return false;
    const lost = readSidecar(directory);
    if (lost !== undefined) throw corrupt(db.file, `it holds no log, although ${SIDECAR_NAME} beside it belongs to store ${lost.store}`);
    db.exec(SCHEMA);
    writeStore(db, { id: randomUUID(), network, epoch: 0, topics: 0, slots: 0 });
    return true;
  });
  // From here on log.db itself names its store, whatever becomes of the write-ahead file.
  if (made) await db.checkpoint();
  if (readSidecar(directory) !== undefined) return;
  await db.change(() => {
    const store = readStore(db);
    if (readSidecar(directory) !== undefined) return;
    // Only a store without content may be missing its sidecar: its maker was stopped half-way.
    if (store.epoch > 0 || store.topics > 0) throw lostSidecar(directory, store);
    writeSidecar(directory, sidecarOf(store));
  });
}

function lostSidecar(directory: string, store: StoreRow): MizuError {
  return new MizuError(
    'LOG_CORRUPT',
    `${join(directory, SIDECAR_NAME)} is gone, so nothing shows that ${DATABASE_NAME} is the newest state of this log`,
    {
      component: directory,
      hint: `Put it back from a backup of the whole folder. If you are sure that ${DATABASE_NAME} is the newest, write this line into it: ${sidecarText(sidecarOf(store)).trim()}`,
    },
  );
}

async function checkedNetwork(db: Database, directory: string, asked: string | undefined): Promise<string> {
  // Before the database: another process may open writers meanwhile, and its epoch must not be found newer than a database that was read earlier.
  const sidecar = readSidecar(directory);
  const store = await db.look(() => readStore(db));
  if (sidecar === undefined) throw lostSidecar(directory, store);
  if (sidecar.store !== store.id) {
    throw corrupt(
      db.file,
      `it belongs to store ${store.id}, but ${SIDECAR_NAME} beside it to store ${sidecar.store}: one of them was exchanged`,
    );
  }
  if (store.epoch < sidecar.epoch) {
    throw corrupt(
      db.file,
      `it is an older copy: its last writer is number ${store.epoch}, but this folder has seen writer ${sidecar.epoch}`,
    );
  }
  if (asked !== undefined && asked !== store.network) {
    throw new MizuError('USAGE', `The log in ${directory} belongs to network '${store.network}', not '${asked}'`, {
      component: directory,
      hint: `Leave the network out or give '${store.network}'; another network needs another folder.`,
    });
  }
  return store.network;
}
