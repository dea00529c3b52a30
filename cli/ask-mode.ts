/** What `pause`, `resume` and `stop` have in common: a signed request, and what the orchestrator made of it. */
import type { ModeAnswer, OperatedRun, RunMode } from '#engine';
import { ANSWER_MS, askMode } from '#engine';
import { findRun, openLog, openSigner } from '#topologies';
import type { Context, Outcome } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { secondsText } from './format.ts';
import { operatorName } from './operator.ts';
import { ownCommand } from './own-command.ts';

export interface KeyOption {
  readonly key?: string;
}

export interface AskedMode {
  readonly mode: RunMode;
  /** What holds once control shows the mode, without a final full stop; given NAME/GENERATION. */
  readonly says: (title: string) => string;
  /** Goes on once control shows the mode. */
  readonly after?: (place: OperatedRun) => Promise<Outcome | undefined>;
}

/** @throws NOT_FOUND, KEY_INVALID, USAGE, before anything is written. */
export async function askRun(context: Context, name: string, options: KeyOption, asked: AskedMode): Promise<Outcome> {
  const log = await openLog(context.log, { readOnly: false });
  try {
    const { run } = await findRun(log, name);
    const title = `${run.name}/${run.generation}`;
    const place = { log, run, signer: openSigner(log, options.key), by: operatorName(), signal: context.signal };
    const answer = await askMode(place, asked.mode);
    await context.out.text(answerText(context, title, answer, asked));
    const outcome = answer.outcome === 'standing' ? undefined : await asked.after?.(place);
    if (outcome !== undefined) return outcome;
    const result = { ok: answer.outcome !== 'standing', ...run, asked: asked.mode, outcome: answer.outcome, mode: answer.mode };
    return { exitCode: answer.outcome === 'standing' ? EXIT.failed : EXIT.done, result };
  } finally {
    await log.close();
  }
}

function answerText(context: Context, title: string, { outcome }: ModeAnswer, { says }: AskedMode): string {
  if (outcome === 'done') return `${says(title)}.`;
  if (outcome === 'already') return `${says(title)}; it was so before.`;
  return [
    `No orchestrator has answered within ${secondsText(ANSWER_MS / 1_000)}. The request stands in the log, and the next orchestrator takes it first.`,
    `  try: ${ownCommand(context, 'status', title)} shows who works on the run; ${ownCommand(context, 'up')} starts an orchestrator`,
  ].join('\n');
}
