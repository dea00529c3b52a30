/** What the tasks of a program ask of a member that takes them: the ops of its source stage. */
import type { Program } from '../contract/program.ts';
import type { Needs } from '../dispatch/member-loads.ts';

export function taskNeeds({ stages }: Program): Needs {
  const ops = new Set((stages[0]?.ops ?? []).map(({ op, version }) => `${op}@${version}`));
  return { ops: [...ops].sort() };
}
