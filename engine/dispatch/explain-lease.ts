/**
 * Why a member holds a keyed partition: each grant recomputed from what control held before it (P2, P17). A round grants several leases, each as if those
 * before it were in control already, so that the first one that the rule asks for at any entry is that entry.
 */
import type { ControlBody } from './control-entry.ts';
import type { ControlFold } from './control-fold.ts';
import type { KeyedStage } from './roles.ts';
import { isHeld, leaseEntries } from './roles.ts';

type LeaseBody = ControlBody & { readonly type: 'lease' };

/** A member that takes leases, and how many it held. */
export interface LeaseHolder {
  readonly node: number;
  readonly name: string;
  readonly weight: number;
  readonly leases: number;
}

export interface LeaseExplanation {
  readonly stage: number;
  readonly partition: number;
  readonly epoch: number;
  /** Tick at which it was given. */
  readonly tick: number;
  /** Node that the log says. */
  readonly logged: number;
  /** Node that the rule says; undefined when it asks for no such grant. */
  readonly expected: number | undefined;
  readonly equal: boolean;
  /** Who had it before; undefined for the first grant. `lives`: it was moved, else its holder was gone. */
  readonly before: { readonly node: number; readonly lives: boolean } | undefined;
  /** Before the grant, by number. */
  readonly holders: readonly LeaseHolder[];
}

/** `fold`: control before the entry. */
export function explainLeaseEntry(fold: ControlFold, entry: LeaseBody, stages: readonly KeyedStage[]): LeaseExplanation {
  const { stage, partition, epoch, node: logged } = entry;
  const wanted = leaseEntries(fold, stages)[0];
  const asked = wanted?.type === 'lease' && wanted.stage === stage && wanted.partition === partition && wanted.epoch === epoch;
  const expected = asked ? wanted.node : undefined;
  const before = fold.leases.get(`${stage}/${partition}`);
  return {
    ...{ stage, partition, epoch, tick: fold.tick, logged, expected, equal: expected === logged },
    before: before === undefined ? undefined : { node: before.node, lives: isHeld(fold, before) },
    holders: holdersIn(fold),
  };
}

function holdersIn(fold: ControlFold): LeaseHolder[] {
  const leases = new Map<number, number>();
  for (const lease of fold.leases.values()) if (isHeld(fold, lease)) leases.set(lease.node, (leases.get(lease.node) ?? 0) + 1);
  return [...fold.members.values()]
    .filter(({ offer }) => offer.steps)
    .sort((a, b) => a.node - b.node)
    .map(({ node, member, offer }) => ({ node, name: member, weight: offer.weight, leases: leases.get(node) ?? 0 }));
}

/** For people, in lines. */
export function leaseText(explanation: LeaseExplanation): string {
  const { stage, partition, epoch, tick, logged, expected, before, holders } = explanation;
  const nameOf = (node: number): string => {
    const name = holders.find((holder) => holder.node === node)?.name;
    return name === undefined ? String(node) : `${node} (${name})`;
  };
  const why =
    before === undefined
      ? 'nobody had it before'
      : before.lives
        ? `moved from node ${nameOf(before.node)}`
        : `its holder before, node ${before.node}, was gone`;
  const lines = [
    `Partition ${stage}/${partition}, epoch ${epoch}: node ${nameOf(logged)}, given at tick ${tick}; ${why}.`,
    'Members that take leases, before:',
    ...holders.map(({ node, name, weight, leases }) => `  node ${node} (${name}), weight ${weight}: ${leases}`),
  ];
  if (expected === undefined) lines.push('By the rule it was not to be given then. The log does not keep to the rule.');
  else lines.push(`${reason(before?.lives === true, nameOf(expected))} ${verdict(explanation, nameOf)}`);
  return lines.join('\n');
}

function reason(moved: boolean, winner: string): string {
  return moved
    ? `By the rule it goes from who has most per weight to who would have least with one more: node ${winner}.`
    : `By the rule it goes to who would have least per weight with one more: node ${winner}.`;
}

function verdict({ equal, logged }: LeaseExplanation, nameOf: (node: number) => string): string {
  return equal ? 'The log says the same.' : `The log says node ${nameOf(logged)}: it does not keep to the rule.`;
}
