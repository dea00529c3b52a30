/** `mizu resume NAME`: a paused, draining or stopped run goes on where it stands. */
import type { KeyOption } from '../ask-mode.ts';
import { askRun } from '../ask-mode.ts';
import type { Context, Outcome } from '../context.ts';

export function resume(context: Context, name: string, options: KeyOption): Promise<Outcome> {
  return askRun(context, name, options, { mode: 'running', says: (title) => `${title} is running` });
}
