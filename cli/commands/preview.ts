/** `mizu preview FILE -n N`: a few candidates after every step, with verdicts, measured values and limits. */
import type { Json } from '#engine';
import type { Preview, PreviewRecord, PreviewStep } from '#topologies';
import { compileFile, openExternal, previewWorkflow } from '#topologies';
import { saidJson, saidLines } from '../answer-text.ts';
import type { Context, Outcome } from '../context.ts';
import { grouped } from '../format.ts';
import type { SetOptions } from '../program.ts';
import { plain, plainRow, rowLines } from '../show-value.ts';
import { whyText } from '../why-text.ts';

export async function preview(context: Context, file: string, options: SetOptions & { readonly count: number }): Promise<Outcome> {
  const workflow = await compileFile(file, options.set, process.env);
  const env = (name: string): string | undefined => process.env[name];
  const open = openExternal({ address: context.log }, env);
  const shown = await previewWorkflow(workflow, options.count, { env, openExternal: open, signal: context.signal });
  for (const record of shown.records) await context.out.text(recordText(context, record));
  await context.out.text(closingText(workflow.deployment.name, shown));
  return {
    result: {
      ok: true,
      name: workflow.deployment.name,
      program: workflow.digest,
      records: shown.records.map(recordJson),
      reports: shown.reports,
      gas: shown.gas,
    },
  };
}

function recordText(context: Context, record: PreviewRecord): string {
  const { out } = context;
  const lines = [out.style('bold', `candidate ${record.candidate}: ${record.outcome}`)];
  for (const step of record.steps) {
    const head = `  ${step.step}${step.step === step.op ? '' : ` (${step.op})`}`;
    lines.push(`${head}: ${out.style(colourOf(step), step.verdict)}${whyText(step)}`);
    lines.push(...rowLines(step.fields, '      '));
    // Who signed is not shown: the key of a preview is gone with it.
    for (const answer of step.answers) lines.push(...saidLines(answer, '      '));
  }
  if (record.row !== undefined) lines.push('  published as', ...rowLines(record.row, '      '));
  return `${lines.join('\n')}\n`;
}

function colourOf({ verdict }: PreviewStep): 'green' | 'yellow' | 'red' {
  if (verdict === 'kept') return 'green';
  return verdict === 'changed' || verdict === 'flagged' ? 'yellow' : 'red';
}

function closingText(name: string, { records, gas, reports }: Preview): string {
  const count = (outcome: PreviewRecord['outcome']): number => records.filter((record) => record.outcome === outcome).length;
  const lines = [
    `${name}: of ${records.length} candidates ${count('published')} published, ${count('rejected')} rejected, ${count('duplicate')} duplicates, ${count('failed')} failed; gas ${grouped(gas)}`,
    ...Object.entries(reports).map(([step, report]) => `  ${step}: ${JSON.stringify(report)}`),
    'Steps over all records (dedup, aggregates, the exact count) saw only these candidates. Nothing was written.',
  ];
  return lines.join('\n');
}

function recordJson(record: PreviewRecord): Json {
  return {
    candidate: record.candidate,
    outcome: record.outcome,
    steps: record.steps.map(
      ({ answers, ...step }): Json => ({
        ...step,
        fields: plainRow(step.fields),
        ...(answers.length === 0 ? {} : { answers: answers.map(saidJson) }),
      }),
    ),
    row: record.row === undefined ? null : plain(record.row),
  };
}
