/**
 * Who has which role (P2, P3): leases of keyed partitions, the checkpointer, the gateway. Each grant has the next epoch, which ends the one
 * before. A holder that lives keeps what it has, but for the few leases that move to a member that came later.
 */
import type { ControlBody } from './control-entry.ts';
import type { ControlFold, MemberState, RoleState } from './control-fold.ts';

/** Leases that may move from living holders at a time: a partition stands still while it moves, and the stream with it. */
export const MOVES_PER_ROUND = 2;
/** Ticks in which a new holder takes over: so long its lease counts as one that moves. */
const MOVE_TICKS = 2;

export interface KeyedStage {
  readonly index: number;
  readonly partitions: number;
}

export interface RoleWants {
  /** Whether a member has to answer questions for the others. */
  readonly gateway: boolean;
}

/** What was asked last about a fold for which nothing was left to do: asked again at the same state, it is not worked out again. */
interface Settled {
  readonly changes: number;
  readonly stages: readonly KeyedStage[];
  readonly gateway: boolean;
}
const settled = new WeakMap<ControlFold, Settled>();

export function roleEntries(fold: ControlFold, stages: readonly KeyedStage[], wants: RoleWants): ControlBody[] {
  const { changes } = fold;
  const { gateway } = wants;
  const known = settled.get(fold);
  if (known?.changes === changes && known.stages === stages && known.gateway === gateway) return [];
  const entries = [...leaseEntries(fold, stages), ...appointments(fold, 'checkpointer', ({ offer }) => offer.checkpoints)];
  if (gateway) entries.push(...appointments(fold, 'gateway', ({ offer }) => offer.answers));
  // While leases move, the next tick may bring the next move without any entry between.
  if (entries.length === 0 && moving(fold) === 0) settled.set(fold, { changes, stages, gateway });
  return entries;
}

/** Whether the member that the role was given to still takes part, in the same life. */
export function isHeld(fold: ControlFold, role: RoleState): boolean {
  return fold.members.get(role.node)?.incarnation === role.incarnation;
}

/** Leases whose holders still take over. */
function moving(fold: ControlFold): number {
  let count = 0;
  for (const { since } of fold.leases.values()) if (since + MOVE_TICKS > fold.tick) count++;
  return count;
}

interface Holder {
  readonly node: number;
  readonly weight: number;
  leases: Lease[];
}

interface Lease {
  readonly stage: number;
  readonly partition: number;
  readonly state: RoleState | undefined;
}

/** Free leases first, then moves, in the order in which they are written: each as if those before it were in control. */
export function leaseEntries(fold: ControlFold, stages: readonly KeyedStage[]): ControlBody[] {
  const leases = stages.flatMap(({ index, partitions }) =>
    Array.from({ length: partitions }, (_, partition): Lease => {
      return { stage: index, partition, state: fold.leases.get(`${index}/${partition}`) };
    }),
  );
  const holders = offering(fold, ({ offer }) => offer.steps).map(({ node, offer }): Holder => ({ node, weight: offer.weight, leases: [] }));
  const byNode = new Map(holders.map((holder) => [holder.node, holder]));
  const free: Lease[] = [];
  for (const lease of leases) {
    const holder = lease.state !== undefined && isHeld(fold, lease.state) ? byNode.get(lease.state.node) : undefined;
    if (holder === undefined) free.push(lease);
    else holder.leases.push(lease);
  }
  const entries: ControlBody[] = [];
  const grant = (lease: Lease, holder: Holder): void => {
    entries.push({
      type: 'lease',
      stage: lease.stage,
      partition: lease.partition,
      epoch: (lease.state?.epoch ?? -1) + 1,
      node: holder.node,
    });
    holder.leases.push(lease);
  };
  for (const lease of free) {
    const holder = leastBurdened(holders);
    if (holder !== undefined) grant(lease, holder);
  }
  for (let moves = moving(fold) + free.length; moves < MOVES_PER_ROUND && move(holders, grant); moves++);
  return entries;
}

/** Moves a lease from who has most to who has least, by weight. False when nobody would be better off. */
function move(holders: readonly Holder[], grant: (lease: Lease, holder: Holder) => void): boolean {
  const to = leastBurdened(holders);
  const from = mostBurdened(holders);
  if (to === undefined || from === undefined) return false;
  if (from.leases.length * to.weight <= (to.leases.length + 1) * from.weight) return false;
  const lease = from.leases.pop();
  if (lease === undefined) return false;
  grant(lease, to);
  return true;
}

/** Who would have the least per weight with one lease more; the lowest number on a tie. */
function leastBurdened(holders: readonly Holder[]): Holder | undefined {
  let best: Holder | undefined;
  for (const holder of holders) {
    if (best === undefined || (holder.leases.length + 1) * best.weight < (best.leases.length + 1) * holder.weight) best = holder;
  }
  return best;
}

/** Who has the most per weight; the highest number on a tie. */
function mostBurdened(holders: readonly Holder[]): Holder | undefined {
  let worst: Holder | undefined;
  for (const holder of holders) {
    if (worst === undefined || holder.leases.length * worst.weight >= worst.leases.length * holder.weight) worst = holder;
  }
  return worst;
}

/** Someone who takes no tasks is there for its role; else the lowest number. */
function appointments(fold: ControlFold, role: 'checkpointer' | 'gateway', offers: (member: MemberState) => boolean): ControlBody[] {
  const before = fold.roles.get(role);
  if (before !== undefined && isHeld(fold, before)) return [];
  const able = offering(fold, offers);
  const chosen = able.find(({ offer }) => offer.slots === 0) ?? able[0];
  return chosen === undefined ? [] : [{ type: 'appoint', role, epoch: (before?.epoch ?? -1) + 1, node: chosen.node }];
}

/** By number. */
function offering(fold: ControlFold, offers: (member: MemberState) => boolean): MemberState[] {
  return [...fold.members.values()].filter(offers).sort((a, b) => a.node - b.node);
}
