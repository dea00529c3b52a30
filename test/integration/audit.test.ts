/** `mizu audit` (laws 2, 4, 5, 12): of runs that went well it finds nothing, and each kind of bad write, planted in a copy of one, it finds and names. */
import { cpSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { beforeAll, describe, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { type AuditReport, auditRun, isPlainObject, type Log, readRun, RunTopics, type Signer, signerFromSeed, utf8 } from '#engine';
import { openLog, openSigner } from '#topologies';
import { decodeEnvelope, encodeSigned } from '../../engine/dispatch/signed-entry.ts';
import { decodeStateEntry } from '../../engine/runtime/state-entry.ts';
import { lastObject, mizu } from '../support/cli.ts';
import { CrashingLog } from '../support/crashing-log.ts';
import { commitVisibly, readAll, rejection, text } from '../support/log-tools.ts';
import { again, at, filled, PLANTED, type Plant, type Planted } from '../support/planted-writes.ts';
import { quickFolder, runCompiled, withQuickLog, withWorkflow } from '../support/run-support.ts';
import { COUNTED, longFiles, STREAMED } from '../support/run-support-workflows.ts';
import { type StoredEntry, Tamper } from '../support/tamper.ts';
import { type MadeRun, makeRun, makeRunOf } from '../support/verify-support.ts';

const topics = new RunTopics({ name: 'w', generation: 1 });

/** Bad writes of steps whose delta is gone: what it committed together with is there. */
const WITHOUT_DELTA: readonly Planted[] = [
  {
    name: 'a step of which the delta is gone, and the result is there',
    plant: (tamper) => tamper.change(at(topics.state(1), 1), (entries) => entries.filter((_, n) => n !== 2)),
    kind: 'torn',
    topic: topics.results,
    what: 'step 1/1/2 has a result and no delta',
  },
  {
    name: 'a record that is out, and whose step has no delta',
    plant: (tamper) => {
      const { partition } = filled(tamper, topics.verified);
      const k = Number(/\/(\d+)\.\d+$/.exec(text(tamper.read(at(topics.verified, partition))[0]?.key))?.[1]);
      tamper.change(at(topics.state(2), partition), (entries) => entries.filter(({ value }) => decodeStateEntry(value).k !== k));
    },
    kind: 'torn',
    topic: topics.verified,
    what: /is out, the delta of its step is not there/,
  },
];

async function auditOf(log: Log): Promise<AuditReport> {
  return auditRun(log, await readRun(log, 'w'), { folder: tmpdir() });
}

/** Changes a copy of the run's log, and audits that. */
async function auditPlanted(run: MadeRun, plant: Plant): Promise<AuditReport> {
  const copy = quickFolder();
  try {
    cpSync(run.directory, copy, { recursive: true });
    const own = await openLog(run.directory, { readOnly: true });
    const signer = openSigner(own);
    await own.close();
    const tamper = new Tamper(copy);
    try {
      await plant(tamper, signer);
    } finally {
      tamper.close();
    }
    const log = await openLog(copy, { readOnly: true });
    try {
      return await auditOf(log);
    } finally {
      await log.close();
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

const found = (report: AuditReport): string[] =>
  report.findings.map(({ kind, topic, what }) => `${kind} ${topic.slice(topics.prefix.length)}: ${what}`);

describe('an audit', () => {
  let streamed: MadeRun;
  let counted: MadeRun;
  /** Of so many steps that its state has snapshots. */
  let long: MadeRun;
  beforeAll(async () => {
    streamed = await makeRun(STREAMED);
    counted = await makeRun(COUNTED);
    long = await makeRunOf(longFiles('w', 5_000));
  });

  it('of an honest run finds nothing, and says how much it looked at', async () => {
    for (const made of [streamed, counted]) {
      const log = await openLog(made.directory, { readOnly: true });
      try {
        const report = await auditOf(log);
        expect(found(report)).toEqual([]);
        expect(report).toMatchObject({ ok: true, closed: true, records: made.summary.candidates });
        expect(report.tasks).toEqual({ from: 0, to: Math.ceil(made.summary.candidates / (made === streamed ? 6 : 8)) });
        expect(report.entries[topics.control]).toBe((await readAll(log, topics.control, 0)).length);
      } finally {
        await log.close();
      }
    }
  });

  it.each([...PLANTED, ...WITHOUT_DELTA])('finds $name', async ({ plant, kind, topic, what }) => {
    const report = await auditPlanted(streamed, plant);
    expect(report.ok).toBe(false);
    const match = report.findings.filter((finding) => finding.kind === kind && finding.topic === topic);
    expect(
      match.map((finding) => finding.what),
      found(report).join('\n'),
    ).toContainEqual(typeof what === 'string' ? what : expect.stringMatching(what));
  });

  it('finds what a second writer adds to the log in the name of another, by the log contract alone', async () => {
    const copy = quickFolder();
    cpSync(streamed.directory, copy, { recursive: true });
    const log = await openEmbeddedLog({ directory: copy });
    try {
      const [entry] = await readAll(log, topics.rejected, 0);
      const writer = await log.openWriter('w/1/step/2/0');
      const { key, value, headers } = entry ?? { key: utf8('w/1/0.0'), value: Uint8Array.of(0), headers: {} };
      await commitVisibly(writer, [{ topic: topics.rejected, partition: 0, key: key ?? utf8(''), value, headers }]);
      await writer.close();
      expect(found(await auditOf(log)).join('\n')).toMatch(/duplicated rejected: record .* came out 2 times/);
    } finally {
      await log.close();
      rmSync(copy, { recursive: true, force: true });
    }
  });

  it('finds a snapshot of keyed state that ends early, also between two parts of it, and passes over what compaction leaves of an older one', async () => {
    const place = at(topics.snapshots(1));
    const parts = ({ key, value, headers }: StoredEntry, count: number): StoredEntry[] =>
      Array.from({ length: count }, (_, part) => ({
        key: utf8(`${text(key)}/${part}`),
        value: value.subarray(Math.floor((part * value.length) / count), Math.floor(((part + 1) * value.length) / count)),
        headers: { ...headers, part: String(part), parts: String(count) },
      }));
    const changed = async (edit: (entry: StoredEntry) => StoredEntry[]): Promise<string[]> =>
      found(await auditPlanted(long, (tamper) => tamper.change(place, (entries) => entries.flatMap((entry) => edit(entry)))));
    expect(await changed((entry) => parts(entry, 3))).toEqual([]);
    expect(await changed((entry) => [...parts(entry, 3).slice(1), ...parts(entry, 2)])).toEqual([]);
    const early = await changed((entry) => [{ ...entry, value: entry.value.subarray(0, -1) }]);
    expect(early).toContain('torn snapshots-1: the digest at the end of the snapshot is not that of its bytes');
    const between = await changed((entry) => parts(entry, 3).slice(0, 2));
    expect(between).toContainEqual(expect.stringMatching(/^torn snapshots-1: of \S+ there are 2 of 3 parts$/));
  });

  it('finds a snapshot of control that is no fold of the entries below it, or that nobody of the run signed', async () => {
    const place = at(topics.controlSnapshots);
    const resign = (entry: StoredEntry, signer: Signer, tick: number): Uint8Array => {
      const { body } = decodeEnvelope(entry.value);
      if (!isPlainObject(body) || !isPlainObject(body['fold'])) throw new RangeError('a snapshot was expected');
      const changed = { ...body, fold: { ...body['fold'], tick } } as unknown;
      return encodeSigned('mizu-control-snapshot-v1', 'w/1', changed as Parameters<typeof encodeSigned>[2], signer);
    };
    const honest = await auditPlanted(long, (tamper) => expect(tamper.read(place).length).toBeGreaterThan(0));
    expect(found(honest)).toEqual([]);
    const wrong = await auditPlanted(long, (tamper, signer) => tamper.edit(place, 0, (entry) => ({ value: resign(entry, signer, 9_999) })));
    expect(found(wrong)).toEqual([
      expect.stringMatching(/^conflicting control-snapshots: it says other than the entries of control below/),
    ]);
    const stranger = signerFromSeed(new Uint8Array(32).fill(9));
    const foreign = await auditPlanted(long, (tamper) => tamper.edit(place, 0, (entry) => ({ value: resign(entry, stranger, 1) })));
    expect(found(foreign)).toEqual(['zombie control-snapshots: it is not signed by an orchestrator of this run']);
  });

  it('of a run that broke off looks at what is marked, and finds nothing', async () => {
    await withWorkflow(longFiles('w', 3_000), async (compiled) => {
      await withQuickLog(async (log) => {
        await rejection(runCompiled(compiled, { log: new CrashingLog(log, 400, 'before'), order: 3, workers: 2 }));
        const report = await auditOf(log);
        expect(found(report)).toEqual([]);
        expect(report.closed).toBe(false);
        expect(report.tasks.to).toBeGreaterThan(0);
        expect(report.tasks.to).toBeLessThan(300);
      });
    });
  });

  it('as a command says what it found, as text and as JSON, and exits with 1 if there is anything', async () => {
    const clean = await mizu(['audit', 'w', '--log', streamed.directory, '--json']);
    expect(clean).toMatchObject({ code: 0 });
    expect(lastObject(clean)).toMatchObject({ name: 'w', ok: true, closed: true, findings: [] });
    const copy = quickFolder();
    try {
      cpSync(streamed.directory, copy, { recursive: true });
      const tamper = new Tamper(copy);
      tamper.change(at(topics.state(1)), again);
      tamper.close();
      const bad = await mizu(['audit', 'w', '--log', copy, '--json']);
      expect(bad.code).toBe(1);
      expect(lastObject(bad)).toMatchObject({
        ok: false,
        counts: { duplicated: 1 },
        findings: [{ kind: 'duplicated', topic: topics.state(1), partition: 0 }],
      });
      const shown = await mizu(['audit', 'w', '--log', copy]);
      expect(shown.stdout).toMatch(/duplicated +w\.1\.state-1\/0 @\d+ +step 1\/0\/\d+ has two deltas/);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  });
});
