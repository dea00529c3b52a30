/** `mizu pause NAME`: nothing new is given out; what runs is finished. */
import type { KeyOption } from '../ask-mode.ts';
import { askRun } from '../ask-mode.ts';
import type { Context, Outcome } from '../context.ts';
import { ownCommand } from '../own-command.ts';

export function pause(context: Context, name: string, options: KeyOption): Promise<Outcome> {
  return askRun(context, name, options, {
    mode: 'paused',
    says: (title) =>
      `${title} is paused: no task is given out, what was accepted is still published, and nothing is lost. ${ownCommand(context, 'resume', title)} lets it go on`,
  });
}
