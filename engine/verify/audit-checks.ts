/**
 * What takes several entries to see: each check is a query over the facts whose rows are findings. `complete` is the first task of which not everything has to
 * be there yet, `kept` the first of which the log forgot nothing. What stands twice, or was written without a right, is found wherever it stands.
 */
import type { AuditFacts, FactRow } from './audit-facts.ts';
import type { FindingKind, FindingList, Place } from './audit-findings.ts';
import type { AuditContext } from './audit-reader.ts';
import { OUTCOMES } from './audit-topics.ts';

export interface AuditBounds {
  readonly kept: number;
  readonly complete: number;
  /** Nothing of a step below it is still to be committed; no limit once the run is closed. */
  readonly settled: number;
  /** The last task that counts; undefined while the run is not finished. */
  readonly last: number | undefined;
}

/** Missing candidates that one finding names. */
const NAMED_CANDIDATES = 10;

const num = (row: FactRow, name: string): number => Number(row[name]);

export class AuditChecks {
  private readonly context: AuditContext;
  private readonly facts: AuditFacts;
  private readonly findings: FindingList;
  private readonly bounds: AuditBounds;
  /** Of the publishing stage. */
  private readonly stage: number;

  constructor(context: AuditContext, bounds: AuditBounds) {
    this.context = context;
    this.facts = context.facts;
    this.findings = context.findings;
    this.bounds = bounds;
    this.stage = context.program.stages.length - 1;
  }

  run(): void {
    this.control();
    this.tasks();
    this.frames();
    this.leaves();
    for (const stage of this.context.program.stages) {
      if (stage.kind === 'source') continue;
      for (let partition = 0; partition < stage.partitions; partition++) this.steps(stage.index, partition);
    }
    this.leases();
    this.outcomes();
    this.keyed();
  }

  /** Of these steps everything was committed before its topics were read, and nothing of it was forgotten. */
  private settled(k: string): string {
    return `${k} BETWEEN ${this.bounds.kept} AND ${this.bounds.settled - 1}`;
  }

  private each(kind: FindingKind, sql: string, place: (row: FactRow) => Place, what: (row: FactRow) => string, ...values: number[]): void {
    for (const row of this.facts.rows(sql, ...values)) this.findings.report(kind, place(row), what(row));
  }

  private at(topic: string): (row: FactRow) => Place {
    return (row) => ({ topic, partition: num(row, 'part'), ...(row['at'] == null ? {} : { offset: num(row, 'at') }) });
  }

  private control(): void {
    const { topics } = this.context;
    const place = this.at(topics.control);
    const { complete } = this.bounds;
    const task = (row: FactRow): string => `attempt ${row['attempt']} of task ${row['k']} by node ${row['node']}`;
    this.each(
      'duplicated',
      'SELECT 0 part, k, max(at) at FROM accept GROUP BY k HAVING count(*) > 1',
      place,
      (row) => `task ${row['k']} is accepted again`,
    );
    this.each(
      'lost',
      'SELECT 0 part, k FROM cut WHERE k < ? AND NOT EXISTS (SELECT 1 FROM accept a WHERE a.k = cut.k)',
      place,
      (row) => `task ${row['k']} is complete and no attempt of it was accepted`,
      complete,
    );
    this.each(
      'zombie',
      'SELECT 0 part, a.* FROM accept a WHERE NOT EXISTS (SELECT 1 FROM assign s WHERE s.k = a.k AND s.attempt = a.attempt AND s.node = a.node)',
      place,
      (row) => `${task(row)} is accepted, which control never assigned`,
    );
    this.each(
      'lost',
      'SELECT 0 part, a.* FROM accept a WHERE NOT EXISTS (SELECT 1 FROM task t WHERE t.k = a.k AND t.attempt = a.attempt AND t.node = a.node AND t.digest = a.result) AND a.k < ?',
      place,
      (row) => `${task(row)} is accepted, and the result that it names is not there`,
      complete,
    );
  }

  private tasks(): void {
    const place = this.at(this.context.topics.results);
    const name = (row: FactRow): string => `the result of attempt ${row['attempt']} of task ${row['k']}`;
    const rows = 'SELECT node part, t.* FROM task t WHERE';
    this.each(
      'zombie',
      `${rows} NOT EXISTS (SELECT 1 FROM assign s WHERE s.k = t.k AND s.attempt = t.attempt AND s.node = t.node)`,
      place,
      (row) => `${name(row)} comes from node ${row['node']}, to which control never assigned it`,
    );
    this.each(
      'duplicated',
      'SELECT node part, k, attempt, max(at) at FROM task GROUP BY k, attempt HAVING count(*) > 1',
      place,
      (row) => `${name(row)} stands twice`,
    );
    const proof = 'SELECT 1 FROM leaf l WHERE l.stage = 0 AND l.part = -1 AND l.k = t.k AND l.attempt = t.attempt';
    this.each('torn', `${rows} late = 0 AND NOT EXISTS (${proof})`, place, (row) => `${name(row)} is there, its leaves are not`);
    this.each(
      'conflicting',
      `${rows} EXISTS (${proof}) AND NOT EXISTS (${proof} AND l.digest = t.leaves)`,
      place,
      (row) => `${name(row)} signs other leaves than those that stand under its key`,
    );
    const { stages } = this.context.program;
    this.each(
      'torn',
      `SELECT node part, t.k, t.attempt, t.at, count(DISTINCT f.part) n FROM task t LEFT JOIN frame f ON f.stage = 1 AND f.k = t.k AND f.attempt = t.attempt
       WHERE t.late = 0 AND t.k >= ? GROUP BY t.k, t.attempt HAVING n <> ?`,
      place,
      (row) => `${name(row)} is there, of its ${stages[1]?.partitions ?? 1} frames ${row['n']} are`,
      this.bounds.kept,
      stages[1]?.partitions ?? 1,
    );
  }

  private frames(): void {
    const { topics, program } = this.context;
    const place = (row: FactRow): Place => this.at(topics.frames(num(row, 'stage')))(row);
    const name = (row: FactRow): string => `the frame of task ${row['k']}, attempt ${row['attempt']}, from ${row['origin']}`;
    this.twice('frame', 'stage, k, attempt, origin, part', place, name);
    this.each(
      'torn',
      'SELECT f.* FROM frame f WHERE f.stage = 1 AND NOT EXISTS (SELECT 1 FROM task t WHERE t.k = f.k AND t.attempt = f.attempt)',
      place,
      (row) => `${name(row)} is there, the result of its attempt is not`,
    );
    this.each(
      'torn',
      `SELECT f.* FROM frame f WHERE f.stage > 1 AND ${this.settled('f.k')}
       AND NOT EXISTS (SELECT 1 FROM state s WHERE s.stage = f.stage - 1 AND s.part = f.origin AND s.k = f.k)`,
      place,
      (row) => `${name(row)} is there, the state of its step is not`,
    );
    // A frame of the stage before takes every record along, dropped ones too: none is lost on the way, none comes twice (law 5).
    for (const stage of program.stages) {
      if (stage.kind === 'source') continue;
      const sums = `SELECT 0 part, t.k, t.candidates, ifnull((SELECT sum(records) FROM frame f WHERE f.stage = ? AND f.k = t.k
        AND (f.stage > 1 OR f.attempt = t.attempt)), 0) n FROM accept a JOIN task t ON t.k = a.k AND t.attempt = a.attempt AND t.node = a.node WHERE t.k >= ? AND t.k < ?`;
      for (const row of this.facts.rows(
        `SELECT * FROM (${sums}) WHERE n <> candidates`,
        stage.index,
        this.bounds.kept,
        this.bounds.complete,
      )) {
        const kind = num(row, 'n') < num(row, 'candidates') ? 'lost' : 'duplicated';
        this.findings.report(
          kind,
          this.at(topics.frames(stage.index))(row),
          `frames of task ${row['k']} hold ${row['n']} of ${row['candidates']} candidates`,
        );
      }
    }
  }

  /** Law 12: a key never holds two contents; and as each is committed once, it never stands twice either. */
  private leaves(): void {
    const place = (row: FactRow): Place => ({
      topic: this.context.topics.proofs,
      partition: num(row, 'topicPart'),
      offset: num(row, 'at'),
    });
    const name = (row: FactRow): string => `the key ${row['stage']}/${row['part']}/${row['k']}/${row['attempt']}`;
    this.twice('leaf', 'stage, part, k, attempt', place, name, ', topicPart');
    this.each(
      'torn',
      'SELECT l.* FROM leaf l WHERE stage = 0 AND NOT EXISTS (SELECT 1 FROM task t WHERE t.k = l.k AND t.attempt = l.attempt)',
      place,
      (row) => `leaves stand under ${name(row)}, the result of the attempt is not there`,
    );
    this.each(
      'torn',
      `SELECT l.* FROM leaf l WHERE stage > 0 AND ${this.settled('k')}
       AND NOT EXISTS (SELECT 1 FROM state s WHERE s.stage = l.stage AND s.part = l.part AND s.k = l.k)`,
      place,
      (row) => `leaves stand under ${name(row)}, the state of the step is not there`,
    );
    this.each(
      'conflicting',
      `SELECT stage, part, k, attempt, topicPart, max(at) at FROM leaf WHERE stage = 0 AND NOT EXISTS (SELECT 1 FROM poison p WHERE p.k = leaf.k)
       GROUP BY k HAVING count(DISTINCT digest) > 1 AND count(DISTINCT attempt) > 1`,
      place,
      (row) => `two attempts of task ${row['k']} differ in their leaves, though they were given the same (law 1)`,
    );
  }

  private twice(table: 'frame' | 'leaf', key: string, place: (row: FactRow) => Place, name: (row: FactRow) => string, more = ''): void {
    for (const row of this.facts.rows(
      `SELECT ${key}, max(at) at, count(DISTINCT digest) n${more} FROM ${table} GROUP BY ${key} HAVING count(*) > 1`,
    )) {
      const contents = num(row, 'n');
      if (contents > 1) this.findings.report('conflicting', place(row), `${name(row)} holds ${contents} contents`);
      else this.findings.report('duplicated', place(row), `${name(row)} stands twice`);
    }
  }

  /** State, result, leaves and frames of a step are one commit: where one is, all are. */
  private steps(stage: number, partition: number): void {
    const { topics } = this.context;
    const { kept, complete } = this.bounds;
    const state = this.at(topics.state(stage));
    const results = this.at(topics.results);
    const name = (row: FactRow): string => `step ${stage}/${partition}/${row['k']}`;
    this.each(
      'lost',
      'SELECT ? part, k FROM cut WHERE k >= ? AND k < ? AND NOT EXISTS (SELECT 1 FROM state s WHERE s.stage = ? AND s.part = ? AND s.k = cut.k)',
      state,
      (row) => `${name(row)} is not there`,
      partition,
      kept,
      complete,
      stage,
      partition,
    );
    const at = [stage, partition];
    const grouped = 'WHERE stage = ? AND part = ? GROUP BY k HAVING count(*) > 1';
    this.each('duplicated', `SELECT part, k, max(at) at FROM state ${grouped}`, state, (row) => `${name(row)} has two deltas`, ...at);
    this.each(
      'duplicated',
      `SELECT node part, k, max(at) at FROM step ${grouped}`,
      results,
      (row) => `${name(row)} has two results`,
      ...at,
    );
    const states = 'SELECT s.part, s.k, s.at FROM state s WHERE s.stage = ? AND s.part = ? AND NOT EXISTS';
    const result = '(SELECT 1 FROM step r WHERE r.stage = s.stage AND r.part = s.part AND r.k = s.k)';
    const leaf = '(SELECT 1 FROM leaf l WHERE l.stage = s.stage AND l.part = s.part AND l.k = s.k)';
    this.each('torn', `${states} ${result}`, state, (row) => `${name(row)} has a delta and no result`, ...at);
    this.each('torn', `${states} ${leaf}`, state, (row) => `${name(row)} has a delta and no leaves`, ...at);
    this.each(
      'torn',
      `SELECT r.node part, r.k, r.at FROM step r WHERE r.stage = ? AND r.part = ? AND ${this.settled('r.k')}
       AND NOT EXISTS (SELECT 1 FROM state s WHERE s.stage = r.stage AND s.part = r.part AND s.k = r.k)`,
      results,
      (row) => `${name(row)} has a result and no delta`,
      ...at,
    );
    const next = this.context.program.stages[stage + 1]?.partitions;
    if (next === undefined) return;
    this.each(
      'torn',
      `SELECT s.part, s.k, s.at, count(DISTINCT f.part) n FROM state s LEFT JOIN frame f ON f.stage = s.stage + 1 AND f.k = s.k AND f.origin = s.part
       WHERE s.stage = ? AND s.part = ? AND ${this.settled('s.k')} GROUP BY s.k HAVING n <> ?`,
      state,
      (row) => `${name(row)} has a delta, and ${row['n']} of ${next} frames`,
      ...at,
      next,
    );
  }

  /** Steps are done under the epoch that control gave to that node, and an epoch that has ended does not come back (P2). */
  private leases(): void {
    const results = this.at(this.context.topics.results);
    const name = (row: FactRow): string =>
      `step ${row['stage']}/${row['of']}/${row['k']} by node ${row['node']} under epoch ${row['epoch']}`;
    const step = 'node part, stage, part of, k, epoch, node, at';
    this.each(
      'zombie',
      `SELECT ${step} FROM step s WHERE NOT EXISTS (SELECT 1 FROM lease l WHERE l.stage = s.stage AND l.part = s.part AND l.epoch = s.epoch AND l.node = s.node)`,
      results,
      (row) => `${name(row)}, which control never gave it`,
    );
    this.each(
      'zombie',
      `SELECT * FROM (SELECT ${step}, lag(epoch) OVER (PARTITION BY stage, part ORDER BY k, at) before FROM step) WHERE epoch < before`,
      results,
      (row) => `${name(row)} follows a step under epoch ${row['before']}`,
    );
    this.each(
      'zombie',
      "SELECT node part, at FROM sealed WHERE NOT EXISTS (SELECT 1 FROM appoint a WHERE a.role = 'checkpointer' AND a.node = sealed.node)",
      results,
      (row) => `node ${row['part']} sealed the tree, and control never appointed it`,
    );
    const lives =
      'SELECT l.node part, l.incarnation, l.at, (SELECT min(seq) FROM admit a WHERE a.node = l.node AND a.incarnation = l.incarnation) seq FROM life l';
    this.each('zombie', `SELECT * FROM (${lives}) WHERE seq IS NULL`, results, (row) => `life ${row['incarnation']} was never admitted`);
    this.each(
      'zombie',
      `SELECT * FROM (SELECT *, max(seq) OVER (PARTITION BY part ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) before FROM (${lives})) WHERE seq < before`,
      results,
      (row) => `life ${row['incarnation']} writes after a later life of node ${row['part']}`,
    );
  }

  /** Input set = output set: of every complete task each candidate is verified, rejected, failed or a duplicate, once. */
  private outcomes(): void {
    const { kept, complete, last } = this.bounds;
    const place = (row: FactRow): Place => this.at(this.context.topics[OUTCOMES[num(row, 'kind')] ?? 'verified'])(row);
    const name = (row: FactRow): string => `record ${row['k']}.${row['i']}`;
    this.each(
      'duplicated',
      'SELECT * FROM (SELECT *, count(*) OVER (PARTITION BY k, i) n, row_number() OVER (PARTITION BY k, i ORDER BY kind, part, at) nth FROM out) WHERE nth > 1',
      place,
      (row) => `${name(row)} came out ${row['n']} times`,
    );
    const orphan = `SELECT o.* FROM out o WHERE ${this.settled('k')} AND NOT EXISTS (SELECT 1 FROM state s WHERE s.stage = ? AND s.part = o.part AND s.k = o.k)`;
    this.each('torn', orphan, place, (row) => `${name(row)} is out, the delta of its step is not there`, this.stage);
    if (last !== undefined)
      this.each(
        'zombie',
        'SELECT * FROM out WHERE k > ?',
        place,
        (row) => `${name(row)} is out, and the run ended with task ${last}`,
        last,
      );
    const expected = `SELECT c.k, ifnull((SELECT t.candidates FROM accept a JOIN task t ON t.k = a.k AND t.attempt = a.attempt WHERE a.k = c.k LIMIT 1), c.count) n
      FROM cut c WHERE c.k >= ? AND c.k < ?`;
    this.each(
      'zombie',
      `SELECT o.* FROM (${expected}) e JOIN out o ON o.k = e.k AND o.i >= e.n`,
      place,
      (row) => `${name(row)} is out, and its task has no such candidate`,
      kept,
      complete,
    );
    for (const row of this.facts.rows(
      `SELECT e.k, e.n, (SELECT count(DISTINCT i) FROM out o WHERE o.k = e.k AND o.i < e.n) there FROM (${expected}) e WHERE there < e.n`,
      kept,
      complete,
    ))
      this.findings.report('lost', { topic: this.context.topics.verified, partition: 0 }, this.missing(num(row, 'k'), num(row, 'n')));
    this.counted();
  }

  private missing(k: number, count: number): string {
    const there = new Set<number>();
    for (const row of this.facts.rows('SELECT DISTINCT i FROM out WHERE k = ?', k)) there.add(num(row, 'i'));
    const named: string[] = [];
    let missing = 0;
    for (let i = 0; i < count; i++) {
      if (there.has(i)) continue;
      missing++;
      if (named.length < NAMED_CANDIDATES) named.push(`${k}.${i}`);
    }
    return `of task ${k}, ${missing} of ${count} candidates came out nowhere: ${named.join(', ')}${missing > named.length ? ' …' : ''}`;
  }

  /** What a step says that it published is there: they are one commit. */
  private counted(): void {
    const places = this.at(this.context.topics.results);
    for (const [kind, column] of (['accepted', 'rejected', 'failed', 'duplicates'] as const).entries()) {
      const topic = OUTCOMES[kind] ?? 'verified';
      this.each(
        'torn',
        `SELECT * FROM (SELECT s.node part, s.part of, s.k, s.at, s.${column} said, (SELECT count(*) FROM out o WHERE o.part = s.part AND o.k = s.k AND o.kind = ?) there
         FROM step s WHERE s.stage = ? AND ${this.settled('s.k')}) WHERE said <> there`,
        places,
        (row) => `step ${this.stage}/${row['of']}/${row['k']} says ${row['said']} ${topic}, and ${row['there']} stand there`,
        kind,
        this.stage,
      );
    }
  }

  private keyed(): void {
    this.each(
      'conflicting',
      "SELECT topic, part, key, max(at) at, count(DISTINCT digest) n FROM keyed GROUP BY topic, key HAVING n > 1 AND topic NOT LIKE '%.checkpoints'",
      (row) => this.at(String(row['topic']))(row),
      (row) => `the key ${row['key']} holds ${row['n']} contents`,
    );
    this.each(
      'conflicting',
      "SELECT topic, part, key, max(at) at FROM keyed WHERE topic LIKE '%.checkpoints' GROUP BY topic, key HAVING count(DISTINCT digest) > 1",
      (row) => this.at(String(row['topic']))(row),
      (row) => `two different heads are signed for a tree of ${row['key']}`,
    );
  }
}
