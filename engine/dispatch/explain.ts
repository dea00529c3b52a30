/**
 * Why a member got a task: the decision recomputed from what control held before it (P17). Whoever holds the log can do it, and sees
 * whether the orchestrator kept to the rule.
 */
import type { Choice, Draw } from './assign.ts';
import { chooseMember, mayWait } from './assign.ts';
import type { ControlBody } from './control-entry.ts';
import { ControlFold } from './control-fold.ts';
import type { Needs } from './member-loads.ts';
import { TASKS_PER_SLOT } from './member-loads.ts';
import { nodesAt } from './task-state.ts';

export interface Explanation {
  readonly k: number;
  readonly attempt: number;
  /** Tick at which it was assigned, and the one after which it is late. */
  readonly tick: number;
  readonly deadline: number;
  /** Node that the log says. */
  readonly logged: number;
  /** What the rule says; undefined when nobody had room. */
  readonly choice: Choice | undefined;
  /** Whether both are the same. */
  readonly equal: boolean;
  /** Nodes that were at the task already. */
  readonly excluded: readonly number[];
  /** Members that met the needs, busy or not. */
  readonly capable: number;
  /** Memory that each had to offer for each of its slots, bytes; 0 for any. */
  readonly memory: number;
  /** Names of the nodes that are mentioned. */
  readonly names: Readonly<Record<number, string>>;
}

/**
 * Explains one attempt of task k, the newest if none is named. `bodies`: control from its begin; it is read once, and no further than
 * needed. Undefined when there is no such attempt.
 */
export function explainAssignment(
  bodies: Iterable<ControlBody>,
  k: number,
  attempt: number | undefined,
  needs: Needs,
): Explanation | undefined {
  const fold = new ControlFold();
  let explanation: Explanation | undefined;
  for (const body of bodies) {
    if (body.type === 'assign' && body.k === k && (attempt === undefined || body.attempt === attempt)) {
      explanation = explainEntry(fold, body, needs);
      if (attempt !== undefined) return explanation;
    }
    fold.apply(body);
  }
  return explanation;
}

/** `fold`: control before the entry. */
export function explainEntry(fold: ControlFold, entry: ControlBody & { readonly type: 'assign' }, needs: Needs): Explanation {
  const { k, attempt, deadline, node: logged } = entry;
  const task = fold.tasks.get(k);
  const excluded = [...new Set(task === undefined ? [] : nodesAt(task))];
  const capable = fold.capable(needs);
  const choice = chooseMember(fold.loads, capable, { kind: 'attempt', k, number: attempt, excluded }, mayWait(fold.paces));
  const names: Record<number, string> = {};
  for (const node of [logged, ...excluded, ...(choice?.drawn ?? []).map((draw) => draw.node)])
    names[node] = fold.members.get(node)?.member ?? '';
  return {
    k,
    attempt,
    tick: fold.tick,
    deadline,
    logged,
    choice,
    equal: choice?.node === logged,
    excluded,
    capable: capable.count,
    memory: fold.memory,
    names,
  };
}

/** For people, in lines. */
export function explanationText(explanation: Explanation): string {
  const { k, attempt, tick, deadline, logged, choice, equal, excluded, capable, memory } = explanation;
  const name = (node: number): string => (explanation.names[node] ? `${node} (${explanation.names[node]})` : String(node));
  const lines = [`Task 0/${k}, attempt ${attempt}: node ${name(logged)}, assigned at tick ${tick}, late after tick ${deadline}.`];
  if (excluded.length > 0) lines.push(`At it already, and so left out: node ${excluded.map(name).join(', ')}.`);
  const asked = memory === 0 ? 'all ops that it needs' : `all ops that it needs and ${memory} bytes of memory for each slot`;
  lines.push(`Members that take tasks and offer ${asked}: ${capable}.`);
  if (choice === undefined) {
    lines.push('None of them could take more: by the rule it had to wait. The log does not keep to the rule.');
    return lines.join('\n');
  }
  const those =
    choice.among === 'idle' ? 'with a free slot' : `with no free slot, but with room to wait (${TASKS_PER_SLOT} tasks per slot at most)`;
  lines.push(
    `Drawn among ${counted(choice.members, 'member')} ${those}, total weight ${choice.total}:`,
    ...table(choice.drawn, explanation.names),
  );
  lines.push(`${reason(choice)} ${equal ? 'The log says the same.' : `The log says node ${name(logged)}: it does not keep to the rule.`}`);
  return lines.join('\n');
}

function reason({ node, drawn }: Choice): string {
  const winner = drawn.find((draw) => draw.node === node);
  const others = drawn.filter((draw) => draw.node !== node);
  if (winner === undefined || others.length === 0) return `Every draw fell on node ${node}.`;
  const loads = others.map((draw) => `${draw.load}/${draw.slots} of node ${draw.node}`).join(', ');
  const tie = others.some((draw) => draw.load * winner.slots === winner.load * draw.slots);
  const ground = tie ? 'the lowest number of those with the least load per slot' : 'the least load per slot';
  return `Node ${node} has ${ground}: ${winner.load}/${winner.slots}, against ${loads}.`;
}

function table(drawn: readonly Draw[], names: Explanation['names']): string[] {
  const head = ['draw', 'point', 'node', 'member', 'weight', 'load', 'slots'];
  const rows = drawn.map(({ point, node, weight, load, slots }, i) =>
    [i, point, node, names[node] || '-', weight, load, slots].map(String),
  );
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [head, ...rows].map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
