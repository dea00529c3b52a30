/** `mizu show RECORD`: the whole story of one record, dropped ones included. */
import type { Json, Story, StoryStep } from '#engine';
import { parseRecordId, recordStory } from '#engine';
import { answerJson, answerLines } from '../answer-text.ts';
import { findRun, openExternal, openLog, recordedAnswers, registry, temporaryStorage } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { ownCommand } from '../own-command.ts';
import { plainRow, rowLines } from '../show-value.ts';
import { whyText } from '../why-text.ts';

export async function show(context: Context, record: string): Promise<Outcome> {
  const id = parseRecordId(record);
  const log = await openLog(context.log, { readOnly: true });
  const local = temporaryStorage();
  try {
    const run = await findRun(log, `${id.name}/${id.generation}`);
    const gateway = await recordedAnswers({ log, run, local });
    const external = openExternal(log, (name) => process.env[name]);
    const story = await recordStory({ log, run, id, registry, local, gateway, external, signal: context.signal });
    await gateway?.close();
    await context.out.text(storyText(context, story));
    return { result: storyJson(story) };
  } finally {
    await local.close();
    await log.close();
  }
}

function storyText(context: Context, story: Story): string {
  const { out } = context;
  const lines = [
    out.style('bold', `${story.id}: ${story.outcome}`),
    `  candidate ${story.candidate} of the run, task ${story.task}, published by step ${story.publishedBy}`,
    '',
  ];
  for (const step of story.steps) {
    lines.push(`  ${step.step}${step.step === step.op ? '' : ` (${step.op})`}: ${out.style(colourOf(step), step.verdict)}${whyOf(step)}`);
    // What ops of one step hand to each other stands in the answers; a judge's verdict does not.
    const shown = Object.entries(step.writes).filter(([name]) => !name.startsWith('$') || step.answers.length === 0);
    lines.push(...rowLines(Object.fromEntries(shown), '      '));
    for (const answer of step.answers) lines.push(...answerLines(answer, '      '));
  }
  const { drop } = story;
  // What the source stage dropped stands among the steps; a later stage's drop does not.
  if (drop !== undefined && !story.steps.some(({ step, verdict }) => step === drop.step && verdict === drop.kind)) {
    lines.push(`  ${drop.step}: ${out.style('red', drop.kind)}${whyOf(drop)}`);
  }
  lines.push('');
  if (story.row === undefined)
    lines.push(
      '  as it was when it was dropped',
      ...(drop?.row === undefined ? [`      bytes ${Buffer.from(drop?.record ?? []).toString('hex')}`] : rowLines(drop.row, '      ')),
    );
  else lines.push('  published as', ...rowLines(story.row, '      '));
  lines.push('', `  its proof: ${ownCommand(context, 'prove', story.id)}`);
  return lines.join('\n');
}

function whyOf(
  step: Pick<StoryStep, 'measured' | 'limit' | 'message'> & { readonly code?: string; readonly winner?: string | undefined },
): string {
  return whyText({
    ...(step.measured === undefined ? {} : { measured: step.measured }),
    ...(step.limit === undefined ? {} : { limit: step.limit }),
    ...(step.message === '' ? {} : { code: step.code ?? 'failed', message: step.message }),
    ...(step.winner === undefined ? {} : { winner: step.winner }),
  });
}

function colourOf({ verdict }: StoryStep): 'green' | 'yellow' | 'red' {
  if (verdict === 'kept') return 'green';
  return verdict === 'changed' || verdict === 'flagged' ? 'yellow' : 'red';
}

function storyJson(story: Story): { readonly [key: string]: Json } {
  const { drop } = story;
  return {
    id: story.id,
    candidate: story.candidate,
    outcome: story.outcome,
    task: story.task,
    publishedBy: story.publishedBy,
    steps: story.steps.map(stepJson),
    row: story.row === undefined ? null : plainRow(story.row),
    ...(drop === undefined
      ? {}
      : {
          drop: {
            step: drop.step,
            rule: drop.rule,
            measured: drop.measured ?? null,
            limit: drop.limit ?? null,
            code: drop.code,
            message: drop.message,
            winner: drop.winner ?? null,
            record: drop.row === undefined ? null : plainRow(drop.row),
            bytes: Buffer.from(drop.record).toString('base64'),
          },
        }),
  };
}

function stepJson({ step, op, verdict, writes, measured, limit, message, answers }: StoryStep): Json {
  return {
    step,
    op,
    verdict,
    writes: plainRow(writes),
    ...(measured === undefined ? {} : { measured }),
    ...(limit === undefined ? {} : { limit }),
    ...(message === '' ? {} : { message }),
    ...(answers.length === 0 ? {} : { answers: answers.map(answerJson) }),
  };
}
