/**
 * What each member of a run has done, counted from control and from what members say themselves. Attempts are remembered until their tasks are complete,
 * so memory is bounded by the window (law 6).
 */
import type { ControlBody } from '../dispatch/control-entry.ts';
import type { ResultBody } from '../dispatch/member-entry.ts';
import type { ControlFold } from '../dispatch/control-fold.ts';
import { isHeld } from '../dispatch/roles.ts';
import type { RunTotals } from './run-totals.ts';
import type { StageProgress } from './stage-progress.ts';

/** Failures and losses that are shown: the newest ones. */
const SHOWN = 5;

export interface MemberStatus {
  readonly node: number;
  readonly name: string;
  /** Roles that it has: the keyed partitions STAGE/PARTITION leased to it, `checkpointer`, `gateway`. */
  readonly roles: readonly string[];
  /** Tasks that it executes at once; 0 for one that takes none. */
  readonly slots: number;
  readonly weight: number;
  /** Attempts that it was given and that are not over. */
  readonly running: number;
  /** Its accepted tasks, and their share of all accepted ones. */
  readonly accepted: number;
  readonly share: number;
  /** Its attempts that came to nothing. */
  readonly failures: number;
  /** Tasks that the slowest of its keyed partitions could have taken and has not; null while it holds none. */
  readonly lag: number | null;
  /** Of complete tasks, since it had its number: what its attempts and steps took. */
  readonly gas: number;
  readonly bytes: { readonly local: number; readonly global: number };
  /** Ticks since its last word; null while this reader has not heard one itself: what stood on the log before it came has no date. */
  readonly heard: number | null;
  /** Resident memory, bytes, as its last heartbeat said; null without one. */
  readonly memory: number | null;
}

export interface Failure {
  readonly k: number;
  readonly attempt: number;
  readonly node: number;
  readonly code: string;
  /** Id of the step in which; null where it was none. */
  readonly step: string | null;
  readonly message: string;
}

export interface Loss {
  readonly node: number;
  readonly name: string;
  readonly reason: 'silent' | 'left' | 'replaced';
  /** Ticks ago. */
  readonly ago: number;
}

interface Tally {
  name: string;
  accepted: number;
  failures: number;
  heard: number | null;
  memory: number | null;
}

export class MemberTally {
  private readonly fold: ControlFold;
  private readonly totals: Pick<RunTotals, 'members'>;
  private readonly stages: Pick<StageProgress, 'lagOf'>;
  private readonly tallies = new Map<number, Tally>();
  /** Task → attempt → node, for tasks that are not complete. */
  private readonly attempts = new Map<number, Map<number, number>>();
  private acceptedTasks = 0;
  readonly failures: Failure[] = [];
  private readonly lost: { readonly node: number; readonly name: string; readonly reason: Loss['reason']; readonly tick: number }[] = [];

  constructor(fold: ControlFold, totals: Pick<RunTotals, 'members'>, stages: Pick<StageProgress, 'lagOf'>) {
    this.fold = fold;
    this.totals = totals;
    this.stages = stages;
  }

  /** Sees each control entry, after the fold took it. */
  take(body: ControlBody): void {
    switch (body.type) {
      case 'admit': {
        const before = this.tallies.get(body.node);
        const known = before?.name === body.member ? before : { accepted: 0, failures: 0 };
        this.tallies.set(body.node, { ...known, name: body.member, heard: null, memory: null });
        return;
      }
      case 'lost':
        keepNewest(this.lost, { node: body.node, name: this.of(body.node).name, reason: body.reason, tick: this.fold.tick });
        return;
      case 'assign': {
        const attempts = this.attempts.get(body.k) ?? new Map<number, number>();
        this.attempts.set(body.k, attempts.set(body.attempt, body.node));
        return;
      }
      case 'accept':
        this.acceptedTasks++;
        this.of(body.node).accepted++;
        return;
      case 'dead':
        this.failed(body.k, body.attempt);
        return;
      case 'mark':
        for (const k of this.attempts.keys()) if (k < body.published) this.attempts.delete(k);
        return;
      default:
    }
  }

  /** Sees each entry of the results topic. `fresh`: it came while this reader watched. */
  hear(body: ResultBody, fresh: boolean): void {
    const tally = this.of(body.node);
    if (fresh) tally.heard = this.fold.tick;
    if (body.type === 'heartbeat') tally.memory = body.memory;
    if (body.type !== 'failed-attempt') return;
    const { k, attempt, node, code, step = null, message } = body;
    keepNewest(this.failures, { k, attempt, node, code, step, message });
  }

  get losses(): readonly Loss[] {
    return this.lost.map(({ node, name, reason, tick }) => ({ node, name, reason, ago: this.fold.tick - tick }));
  }

  /** Those that take part now, by number. */
  get members(): MemberStatus[] {
    const { fold } = this;
    const roles = new Map<number, string[]>();
    const lags = new Map<number, number>();
    const note = (
      name: string,
      role: { readonly epoch: number; readonly node: number; readonly incarnation: string; readonly since: number },
    ): void => {
      if (isHeld(fold, role)) roles.set(role.node, [...(roles.get(role.node) ?? []), name]);
    };
    for (const [name, lease] of fold.leases) {
      if (!isHeld(fold, lease)) continue;
      note(name, lease);
      const [stage = 0, partition = 0] = name.split('/').map(Number);
      lags.set(lease.node, Math.max(lags.get(lease.node) ?? 0, this.stages.lagOf(stage, partition)));
    }
    for (const [name, role] of fold.roles) note(name, role);
    return [...fold.members.values()]
      .sort((a, b) => a.node - b.node)
      .map(({ node, member, offer }) => {
        const { accepted, failures, heard, memory } = this.of(node);
        return {
          node,
          name: member,
          roles: (roles.get(node) ?? []).sort(),
          slots: offer.slots,
          weight: offer.weight,
          running: fold.loadOf(node),
          accepted,
          share: this.acceptedTasks === 0 ? 0 : accepted / this.acceptedTasks,
          failures,
          lag: lags.get(node) ?? null,
          ...this.took(node, member),
          heard: heard === null ? null : fold.tick - heard,
          memory,
        };
      });
  }

  /** Of this member: its number may be that of another one whose results are counted still. */
  private took(node: number, member: string): Pick<MemberStatus, 'gas' | 'bytes'> {
    const sums = this.totals.members[node];
    if (sums?.member !== member) return { gas: 0, bytes: { local: 0, global: 0 } };
    return { gas: sums.gas, bytes: { local: sums.localBytes, global: sums.globalBytes } };
  }

  private failed(k: number, attempt: number): void {
    const node = this.attempts.get(k)?.get(attempt);
    if (node !== undefined) this.of(node).failures++;
  }

  private of(node: number): Tally {
    const tally = this.tallies.get(node) ?? { name: '', accepted: 0, failures: 0, heard: null, memory: null };
    this.tallies.set(node, tally);
    return tally;
  }
}

function keepNewest<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > SHOWN) list.shift();
}
