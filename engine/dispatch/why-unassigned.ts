/** Why tasks wait, for people: first of all that no member offers what the program needs, which nobody would see otherwise. */
import { mayWait } from './assign.ts';
import type { ControlFold } from './control-fold.ts';
import type { Offer } from './control-entry.ts';
import type { Needs } from './member-loads.ts';
import { hasMemory, TASKS_PER_SLOT } from './member-loads.ts';

/** Undefined when no task waits for a member. */
export function whyUnassigned(fold: ControlFold, plan: { readonly needs: Needs }): string | undefined {
  const { unassigned, searching } = fold.queues;
  const count = unassigned.size + searching.size;
  if (count === 0 || fold.finish !== undefined) return undefined;
  return `${count} ${count === 1 ? 'task waits' : 'tasks wait'}: ${reason(fold, plan.needs)}`;
}

function reason(fold: ControlFold, needs: Needs): string {
  if (fold.mode === 'paused' || fold.mode === 'stopped') return `the run is ${fold.mode}${fold.modeBy === '' ? '' : ` (${fold.modeBy})`}`;
  if (fold.loads.takers === 0) return 'no member takes tasks; start a node';
  const capable = fold.capable(needs);
  if (capable.count === 0) return gap(fold, needs);
  const wait = mayWait(fold.paces);
  if ((wait ? capable.room : capable.idle).total > 0) return 'they are assigned in the next turn of the orchestrator';
  const able = capable.count === 1 ? 'the only capable member has' : `all ${capable.count} capable members have`;
  return wait ? `${able} ${TASKS_PER_SLOT} tasks per slot already` : `${able} no free slot`;
}

/** What nobody offers; or, when each is offered by somebody, what the member that comes closest misses. */
function gap(fold: ControlFold, needs: Needs): string {
  const { memory } = fold;
  const takers = [...fold.members.values()].filter(({ offer }) => offer.slots > 0).sort((a, b) => a.node - b.node);
  const missing = (offers: readonly Offer[]): string[] => [
    ...needs.ops.filter((op) => !offers.some(({ ops }) => ops.includes(op))).map((op) => `op ${op}`),
    ...(offers.some((offer) => hasMemory(offer, memory)) ? [] : [memoryGap(offers, memory)]),
  ];
  const nowhere = missing(takers.map(({ offer }) => offer));
  if (nowhere.length > 0) return `no member that takes tasks offers ${nowhere.join(', ')}; start one that does`;
  const misses = takers.map(({ node, member, offer }) => ({ node, member, misses: missing([offer]) }));
  const closest = misses.reduce((best, other) => (other.misses.length < best.misses.length ? other : best));
  return `no member offers all that the program needs; closest comes node ${closest.node} (${closest.member}), which misses ${closest.misses.join(', ')}`;
}

function memoryGap(offers: readonly Offer[], perSlot: number): string {
  const most = Math.max(...offers.map(({ memory, slots }) => Math.floor(memory / slots)));
  return `${perSlot} bytes of memory for each of its slots (task.memory; ${most} at most: fewer workers leave more for each)`;
}
