/**
 * What an audit has seen, as tables in a temporary file that SQLite pages in and out: a run of any length is audited in the same memory (law 6),
 * and a check is a query over all of it, with no assumption about which entries come near each other. The file takes some 60 bytes for each entry and record.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';

/** Pages of the file that are kept in memory, KiB: the bound of what an audit holds beside one chunk of a topic and one value. */
const CACHE_KIB = 32 * 1024;
/** Facts that are put in as one transaction. */
const BATCH_FACTS = 50_000;

/** `at` is the offset of the entry; `part` the partition, of the stage or of the topic. */
const TABLES = {
  cut: 'k, first, count, at',
  assign: 'k, attempt, node',
  accept: 'k, attempt, node, result, at',
  poison: 'k, i',
  lease: 'stage, part, epoch, node',
  appoint: 'role, epoch, node',
  admit: 'node, incarnation, seq',
  life: 'node, incarnation, at',
  /** `late`: it may have been committed after the topics that hold its frames and leaves were read. */
  task: 'k, attempt, node, candidates, digest, leaves, at, late',
  step: 'stage, part, k, epoch, node, accepted, duplicates, failed, rejected, at',
  sealed: 'node, at',
  frame: 'stage, part, k, attempt, origin, records, digest, at',
  leaf: 'stage, part, k, attempt, digest, topicPart, at',
  state: 'stage, part, k, at',
  out: 'kind, part, k, i, at',
  keyed: 'topic, part, key, digest, at',
  taken: 'k, part, low, high',
  copied: 'part, off, at',
  outside: 'part, off',
} as const;
export type FactTable = keyof typeof TABLES;

const INDEXES = [
  'accept (k)',
  'assign (k, attempt, node)',
  'lease (stage, part, epoch, node)',
  'task (k, attempt)',
  'step (stage, part, k)',
  'frame (stage, k, attempt, origin, part)',
  'leaf (stage, part, k, attempt)',
  'state (stage, part, k)',
  'out (k, i)',
  'out (part, k, kind)',
  'keyed (topic, key)',
  'copied (part, off)',
  'taken (part, low)',
];

export type FactRow = Record<string, SQLOutputValue>;

export class AuditFacts {
  private readonly folder: string;
  private readonly db: DatabaseSync;
  private readonly inserts = new Map<FactTable, StatementSync>();
  private batch = 0;
  private indexed = false;

  /** @param parent folder in which the temporary one is made. */
  constructor(parent: string) {
    this.folder = mkdtempSync(join(parent, 'mizu-audit-'));
    // Loaded here, since whoever imports the engine seldom audits, and Node 22 warns of it in every thread.
    const sqlite = process.getBuiltinModule('node:sqlite');
    this.db = new sqlite.DatabaseSync(join(this.folder, 'facts.db'));
    this.db.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -${CACHE_KIB}; PRAGMA temp_store = FILE`);
    for (const [name, columns] of Object.entries(TABLES)) this.db.exec(`CREATE TABLE ${name} (${columns})`);
    this.db.exec('BEGIN');
  }

  add(table: FactTable, ...values: readonly SQLInputValue[]): void {
    let insert = this.inserts.get(table);
    if (insert === undefined) {
      const marks = TABLES[table].split(',').map(() => '?');
      insert = this.db.prepare(`INSERT INTO ${table} VALUES (${marks.join(', ')})`);
      this.inserts.set(table, insert);
    }
    insert.run(...values);
    if (++this.batch % BATCH_FACTS === 0) this.db.exec('COMMIT; BEGIN');
  }

  /** The rows of a query, one at a time. */
  rows(sql: string, ...values: readonly SQLInputValue[]): IterableIterator<FactRow> {
    this.index();
    return this.db.prepare(sql).iterate(...values);
  }

  close(): void {
    this.db.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Once, when the facts are in: that is faster than to keep them in order. */
  private index(): void {
    if (this.indexed) return;
    this.indexed = true;
    this.db.exec('COMMIT');
    for (const index of INDEXES) this.db.exec(`CREATE INDEX "${index}" ON ${index}`);
    this.db.exec('ANALYZE');
  }
}
