/**
 * Looks at what no reader of entries meets: the pages of the database and its structure, rows that belong to nothing, the rows of owners, and `store.json`.
 * For `mizu verify --deep`.
 */
import { messageOf, type StorageFinding } from '#engine';
import { type Database, numberIn, textIn } from './database.ts';
import { segmentProblems } from './segments.ts';
import { readSidecar, SIDECAR_NAME } from './sidecar.ts';
import { readHead, readOwnerEpoch, readStore, readTopics } from './tables.ts';

/** Messages of SQLite's own check; more of one damage say no more. */
const MESSAGES_LIMIT = 20;

export function inspectStore(db: Database, directory: string): readonly StorageFinding[] {
  const findings: StorageFinding[] = [];
  const check = (look: () => readonly string[]): void => {
    try {
      for (const message of look()) findings.push({ where: db.file, message });
    } catch (error) {
      findings.push({ where: db.file, message: messageOf(error) });
    }
  };
  check(() => structure(db));
  check(() => rowsOfNothing(db));
  check(() => {
    for (const row of db.all('SELECT owner FROM owners')) readOwnerEpoch(db, textIn(row, 'owner', db.file));
    return [];
  });
  check(() => sidecar(db, directory));
  for (const { file, what } of segmentProblems(db, directory)) findings.push({ where: file, message: what });
  return findings;
}

/** Every page, cell and index entry (sqlite.org/pragma.html#pragma_integrity_check). */
function structure(db: Database): string[] {
  const rows = db.all(`PRAGMA integrity_check(${MESSAGES_LIMIT})`);
  return rows.map((row) => textIn(row, 'integrity_check', db.file)).filter((message) => message !== 'ok');
}

/** Offsets are dense, so as many entries as heads say are all that there may be. */
function rowsOfNothing(db: Database): string[] {
  const slots = readTopics(db).flatMap(({ slot, partitions }) => Array.from({ length: partitions }, (_, partition) => slot + partition));
  const expected = slots.reduce((sum, slot) => sum + readHead(db, slot), 0);
  const entries = numberIn(db.get('SELECT coalesce(sum(count), 0) AS n FROM entries'), 'n', db.file);
  const heads = numberIn(db.get('SELECT count(*) AS n FROM heads'), 'n', db.file);
  return [
    ...(entries === expected ? [] : [`it holds ${entries} entries, and its partitions ${expected}`]),
    ...(heads === slots.length ? [] : [`it holds heads of ${heads} partitions, and its topics have ${slots.length}`]),
  ];
}

function sidecar(db: Database, directory: string): string[] {
  const store = readStore(db);
  const beside = readSidecar(directory);
  if (beside === undefined) return [`${SIDECAR_NAME} beside it is gone`];
  const same = beside.store === store.id && beside.network === store.network && beside.epoch <= store.epoch;
  const told = ({ network, epoch }: { readonly network: string; readonly epoch: number }, id: string): string =>
    `store ${id} of network '${network}', epoch ${epoch}`;
  return same ? [] : [`it is ${told(store, store.id)}; ${SIDECAR_NAME} beside it is of ${told(beside, beside.store)}`];
}
