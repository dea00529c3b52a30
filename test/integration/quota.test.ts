/** Quotas in whole runs: every category is filled with its first records, exactly, whoever works and however often it is interrupted; auditors come to the same. */
import { describe, expect, it } from 'vitest';
import { publishedRecords, type Row, type RunSummary, verifyRun } from '#engine';
import { rejection } from '../support/log-tools.ts';
import { withWorkflow } from '../support/run-support.ts';
import { makeRunOf, type MadeRun, replayed, withRun } from '../support/verify-support.ts';

const COUNTS = { '0': 7, '1': 20, '2': 1 };
const ACCEPT = 28;
const workflow = (accept: number, extra = ''): string => `mizu: 1
name: w
seed: 3
accept: ${accept}
budget: { candidates: 3000 }
task: { size: 9 }
partitions: 3
generate:
  - random: { as: kind, integer: [0, 4] }
  - random: { as: n, integer: [0, 500] }
verify:
  - dedup: { by: [kind, n] }
  - quota: { by: kind, counts: ${JSON.stringify(COUNTS)} }
  - count: { by: kind }
${extra}publish: { fields: [kind, n] }
`;

const run = (text: string, nodes: number, workers: number): Promise<MadeRun> => makeRunOf({ 'workflow.yaml': text }, { nodes, workers });

async function recordsOf(one: MadeRun): Promise<Row[]> {
  return withRun(one, async (log, run) => {
    const rows: Row[] = [];
    for await (const { row } of publishedRecords(log, run)) rows.push(row);
    return rows;
  });
}

const kindsOf = (rows: readonly Row[]): Record<string, number> => {
  const kinds: Record<string, number> = {};
  for (const { kind } of rows) kinds[String(kind)] = (kinds[String(kind)] ?? 0) + 1;
  return kinds;
};

const withoutKey = ({ verifierKey: _, ...rest }: RunSummary): unknown => rest;

describe('a run with quotas', () => {
  it('ends when every category is full, with the same records and root for any nodes and workers', async () => {
    const [one, many] = [await run(workflow(ACCEPT), 1, 1), await run(workflow(ACCEPT), 3, 2)];
    expect(withoutKey(many.summary)).toEqual(withoutKey(one.summary));
    const rows = await recordsOf(one);
    expect(await recordsOf(many)).toEqual(rows);
    expect(kindsOf(rows)).toEqual(COUNTS);
    const { summary } = one;
    expect([summary.reason, summary.accepted]).toEqual(['accepted', ACCEPT]);
    expect(summary.reports['quota-kind']).toEqual({ groups: COUNTS, missing: {} });
    // The count behind it sees what is accepted, and nothing else.
    expect(summary.reports['count-kind']).toEqual({ total: ACCEPT, groups: COUNTS, other: 0 });
    expect(summary.rejected['quota-kind']).toBeGreaterThan(0);
  });

  it('is the same to who verifies it and who executes it again', async () => {
    const one = await run(workflow(ACCEPT), 2, 1);
    await withRun(one, async (log, deployed) => {
      expect((await verifyRun(log, deployed)).problems).toEqual([]);
      expect(await replayed(log, deployed)).toMatchObject({ ok: true, records: ACCEPT });
    });
  });

  it('keeps the first of each category: those of a run without quotas, in order', async () => {
    const all = await recordsOf(
      await run(
        workflow(2_000)
          .replace(/^ {2}- quota:.*$/m, '')
          .replace('accept: 2000\n', ''),
        1,
        1,
      ),
    );
    const left = new Map(Object.entries(COUNTS));
    const first = all.filter(({ kind }) => {
      const n = left.get(String(kind)) ?? 0;
      left.set(String(kind), n - 1);
      return n > 0;
    });
    expect(await recordsOf(await run(workflow(ACCEPT), 1, 1))).toEqual(first);
  });

  it('is refused where it lets fewer pass than are wanted, and where it says nothing', async () => {
    const problemOf = (text: string): Promise<unknown> => rejection(withWorkflow({ 'workflow.yaml': text }, async () => undefined));
    expect(String(await problemOf(workflow(ACCEPT + 1)))).toContain("step 'quota-kind' lets 28 pass");
    expect(String(await problemOf(workflow(ACCEPT).replace(/counts: .*(?= \})/, 'as: q')))).toContain('needs `each`, or `counts`');
  });
});
