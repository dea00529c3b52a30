/**
 * Which member gets a task (P17), in integers only, so that anyone can recompute it: ASSIGN_CHOICES candidates are drawn by
 * SHA-256(task, attempt, i) over prefix sums of the weights of those that may take it; the one with the least load per slot wins, the
 * lower number on a tie. Who may take it: members that meet the needs and have a free slot; if nobody has one, and tasks are quick, those
 * with room to wait.
 */
import { sha256, utf8 } from '../proof/sha256.ts';
import type { CapableMembers, MemberLoads } from './member-loads.ts';
import type { WeightTree } from './weight-tree.ts';

/** Candidates drawn per assignment: the power of two choices. */
export const ASSIGN_CHOICES = 2;
/** Bytes of the digest that make a draw. Weights sum to far less than 2^48, so the remainder favours nobody by more than their ratio. */
const DRAW_BYTES = 6;

/**
 * Tasks wait at a member only while the median of those accepted last took at most this many ticks, waiting included. Waiting there saves the
 * way to the orchestrator and back, a small part of a tick: much for quick tasks, nothing for slow ones, which would wait behind one that may
 * be the slowest of all while others fall idle.
 */
const QUICK_TICKS = 4;

/** Names a decision: an attempt of a task, or a probe of one. */
export interface Question {
  readonly kind: 'attempt' | 'probe';
  readonly k: number;
  readonly number: number;
  /** Nodes that are at the task already: another attempt there would only be slower. */
  readonly excluded: readonly number[];
}

export interface Draw {
  /** In [0, total). */
  readonly point: number;
  readonly node: number;
  readonly weight: number;
  readonly load: number;
  readonly slots: number;
}

export interface Choice {
  readonly node: number;
  readonly drawn: readonly Draw[];
  /** Among whom it was drawn: members with a free slot, or with room to wait. */
  readonly among: 'idle' | 'room';
  readonly members: number;
  /** Weight of all of them. */
  readonly total: number;
}

/** Whether a task may be given to a member that has no free slot. Not before it is known how long tasks take. */
export function mayWait(paces: readonly number[]): boolean {
  const pace = medianPace(paces);
  return pace !== undefined && pace <= QUICK_TICKS;
}

export function medianPace(paces: readonly number[]): number | undefined {
  return paces.toSorted((a, b) => a - b)[(paces.length - 1) >> 1];
}

/** Undefined when nobody may take it now. `wait`: a member without a free slot will do. */
export function chooseMember(loads: MemberLoads, capable: CapableMembers, question: Question, wait: boolean): Choice | undefined {
  const idle = chooseAmong('idle', loads, capable.idle, question);
  return idle ?? (wait ? chooseAmong('room', loads, capable.room, question) : undefined);
}

/** The tree is as it was when this returns. */
function chooseAmong(among: Choice['among'], loads: MemberLoads, tree: WeightTree, question: Question): Choice | undefined {
  const left = question.excluded.map((node) => [node, tree.weightOf(node)] as const);
  for (const [node] of left) tree.set(node, 0);
  const choice = tree.total === 0 ? undefined : draw(among, loads, tree, question);
  // From the last to the first: a node that is named twice had its weight at its first mention.
  for (const [node, weight] of left.reverse()) tree.set(node, weight);
  return choice;
}

function draw(among: Choice['among'], loads: MemberLoads, tree: WeightTree, { kind, k, number }: Question): Choice {
  const { total, count: members } = tree;
  const drawn = Array.from({ length: ASSIGN_CHOICES }, (_, i): Draw => {
    const digest = sha256(utf8(`${kind === 'probe' ? 'mizu-probe' : 'mizu-assign'} ${k}/${number}/${i}`));
    const point = Buffer.from(digest.buffer, digest.byteOffset, DRAW_BYTES).readUIntBE(0, DRAW_BYTES) % total;
    const node = tree.find(point);
    return { point, node, weight: tree.weightOf(node), load: loads.of(node), slots: loads.slotsOf(node) };
  });
  const winner = drawn.reduce((best, other) => (isBetter(other, best) ? other : best));
  return { node: winner.node, drawn, among, members, total };
}

/** Load per slot, compared without dividing: the products stay whole. */
function isBetter(a: Draw, b: Draw): boolean {
  const [left, right] = [a.load * b.slots, b.load * a.slots];
  return left < right || (left === right && a.node < b.node);
}
