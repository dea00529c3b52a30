/**
 * Who takes part (P1, P2): which of those that ask are admitted, under which number, and who is lost. Pure decisions over the control
 * fold; entries are in the order in which they are to be written.
 */
import type { ControlBody } from './control-entry.ts';
import type { RequestBody } from './member-entry.ts';
import type { ControlFold, MemberState } from './control-fold.ts';

export interface JoinRequest {
  /** Offset of the request. */
  readonly request: number;
  readonly body: RequestBody & { readonly type: 'join' };
}

export interface MemberLimits {
  /** Members that take tasks at most. */
  readonly employed: number;
  /** Numbers of members are below this. */
  readonly numbers: number;
}

export interface Admissions {
  readonly entries: ControlBody[];
  /** Those for whom there is no place now. */
  readonly waiting: JoinRequest[];
}

/**
 * A name belongs to the process that asked with it last: it takes the number over, and whoever had it is lost. Members that take no tasks
 * are admitted while a number is free, others while fewer than `employed` take part; those beyond it, after the limit was lowered, are let go.
 */
export function admitMembers(fold: ControlFold, joins: readonly JoinRequest[], limits: MemberLimits): Admissions {
  const office = new Office(fold, limits);
  office.letSurplusGo();
  for (const join of newest(joins)) office.consider(join);
  return { entries: office.entries, waiting: office.waiting };
}

/** Members without a word for `lostTicks`. `lastHeard`: tick of each one's last word; an admission is one too. */
export function silentMembers(fold: ControlFold, lastHeard: ReadonlyMap<number, number>, lostTicks: number): ControlBody[] {
  const silent: number[] = [];
  for (const { node, since } of fold.members.values())
    if (Math.max(since, lastHeard.get(node) ?? 0) + lostTicks < fold.tick) silent.push(node);
  // By number: the order of a map would tell how the fold came to be.
  return silent.sort((a, b) => a - b).map((node) => ({ type: 'lost', node, reason: 'silent' }));
}

/** One round of admissions: what it has decided so far counts for what follows. */
class Office {
  readonly entries: ControlBody[] = [];
  readonly waiting: JoinRequest[] = [];
  private readonly fold: ControlFold;
  private readonly limits: MemberLimits;
  private takers: number;
  /** Numbers given and freed in this round. */
  private readonly given = new Set<number>();
  private readonly freed = new Set<number>();
  /** No number below this is free. */
  private search = 0;

  constructor(fold: ControlFold, limits: MemberLimits) {
    this.fold = fold;
    this.limits = limits;
    this.takers = fold.loads.takers;
  }

  consider(join: JoinRequest): void {
    const { member, incarnation, offer } = join.body;
    const living = this.living(member);
    if (living?.incarnation === incarnation) return;
    if (living !== undefined) this.lose(living, 'replaced');
    const node = offer.slots > 0 && this.takers >= this.limits.employed ? undefined : this.numberFor(member);
    if (node === undefined) this.waiting.push(join);
    else this.admit(join, node);
  }

  /** The highest numbers go. Someone stays who takes leases, if anybody does: without it nothing could be published. */
  letSurplusGo(): void {
    let surplus = this.takers - this.limits.employed;
    if (surplus <= 0) return;
    const members = inOrder(this.fold);
    let steps = members.filter(({ offer }) => offer.steps).length;
    for (const member of members.toReversed()) {
      if (surplus <= 0) return;
      const { slots, steps: takesLeases } = member.offer;
      if (slots === 0 || (takesLeases && steps === 1)) continue;
      if (takesLeases) steps--;
      surplus--;
      this.lose(member, 'left');
    }
  }

  private admit({ request, body }: JoinRequest, node: number): void {
    const { member, incarnation, key, offer } = body;
    this.entries.push({ type: 'admit', node, member, incarnation, key, offer, request });
    this.given.add(node);
    if (offer.slots > 0) this.takers++;
  }

  private lose({ node, offer }: MemberState, reason: 'left' | 'replaced'): void {
    this.entries.push({ type: 'lost', node, reason });
    this.freed.add(node);
    if (offer.slots > 0) this.takers--;
  }

  private living(member: string): MemberState | undefined {
    const node = this.fold.numbers.get(member);
    const state = node === undefined || this.freed.has(node) ? undefined : this.fold.members.get(node);
    return state?.member === member ? state : undefined;
  }

  /** The one it had before, else the lowest that is free. */
  private numberFor(member: string): number | undefined {
    const before = this.fold.numbers.get(member);
    if (before !== undefined && before < this.limits.numbers && this.isFree(before)) return before;
    while (this.search < this.limits.numbers && !this.isFree(this.search)) this.search++;
    return this.search < this.limits.numbers ? this.search : undefined;
  }

  private isFree(node: number): boolean {
    return !this.given.has(node) && (this.freed.has(node) || !this.fold.members.has(node));
  }
}

/** In order of request, each name once. */
function newest(joins: readonly JoinRequest[]): JoinRequest[] {
  const last = new Map<string, JoinRequest>();
  for (const join of joins) {
    const before = last.get(join.body.member);
    if (before === undefined || before.request < join.request) last.set(join.body.member, join);
  }
  return [...last.values()].sort((a, b) => a.request - b.request);
}

/** By number. */
function inOrder(fold: ControlFold): MemberState[] {
  return [...fold.members.values()].sort((a, b) => a.node - b.node);
}
