/** `mizu stop NAME`: its members let go of it at once; with `--drain` it finishes what was begun and closes. */
import type { OperatedRun } from '#engine';
import { readSummary, untilClosed } from '#engine';
import type { KeyOption } from '../ask-mode.ts';
import { askRun } from '../ask-mode.ts';
import type { Context, Outcome } from '../context.ts';
import { grouped } from '../format.ts';
import { ownCommand } from '../own-command.ts';
import { summaryText } from '../run-summary.ts';

export interface StopOptions extends KeyOption {
  readonly drain?: boolean;
  readonly wait?: boolean;
}

export function stop(context: Context, name: string, options: StopOptions): Promise<Outcome> {
  if (options.drain !== true) {
    return askRun(context, name, options, {
      mode: 'stopped',
      says: (title) =>
        `${title} is stopped: its members have let go of it, and what is committed stays. ${ownCommand(context, 'resume', title)} lets it go on`,
    });
  }
  return askRun(context, name, options, {
    mode: 'draining',
    says: (title) => `${title} is draining: nothing new is begun; it finishes what was begun, publishes it, signs its tree and closes`,
    after: async (place) => (options.wait === true ? drained(context, place) : undefined),
  });
}

async function drained(context: Context, place: OperatedRun): Promise<Outcome> {
  const fold = await untilClosed(place, ({ nextCut, low, tick }) =>
    context.progress.update(() => `${grouped(nextCut)} tasks begun, at least ${grouped(low)} complete, tick ${grouped(tick)}`),
  );
  context.progress.clear();
  const summary = readSummary(fold.close?.summary ?? null);
  await context.out.text(summaryText(summary, undefined, (text) => context.out.style('bold', text)));
  return { result: { ok: true, asked: 'draining', outcome: 'done', mode: 'draining', ...summary } };
}
