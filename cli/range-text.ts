/** How much of a run a command looked at, for people. A run that goes on, or that forgot something, is never said to be whole. */
import type { TaskRange } from '#engine';
import { grouped } from './format.ts';

export interface Looked {
  readonly closed: boolean;
  readonly range: TaskRange | undefined;
}

export function rangeText({ from, to }: TaskRange): string {
  return `${grouped(from)}..${grouped(to)}`;
}

/** Behind a title. Empty for the whole of a closed run. `last`: the last task that there is. */
export function extentText({ closed, range }: Looked, last: number): string {
  if (range === undefined || (closed && range.from === 0 && range.to === last)) return '';
  return ` (tasks ${rangeText(range)}${closed ? '' : ' of a run that goes on'})`;
}
