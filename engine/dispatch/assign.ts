/**
 * Which node gets a task (P17), in integers only, so that anyone can recompute it: D candidates are drawn by SHA-256(task, attempt, i)
 * over prefix sums of the weights of capable nodes; the one with the least logged load wins, the lower number on a tie.
 */
import { createHash } from 'node:crypto';
import { MizuError } from '../contract/errors.ts';

/** Candidates drawn per assignment: the power of two choices. */
export const ASSIGN_CHOICES = 2;

export interface NodeLoad {
  readonly node: number;
  /** Whole number ≥ 1. */
  readonly weight: number;
  /** Tasks assigned and not yet accepted or dead. */
  readonly load: number;
  readonly capable: boolean;
}

export function assignNode(nodes: readonly NodeLoad[], k: number, attempt: number): number {
  const capable = nodes.filter((node) => node.capable);
  const total = capable.reduce((sum, node) => sum + node.weight, 0);
  if (total === 0)
    throw new MizuError('ATTEMPTS_EXHAUSTED', `No node can take task ${k}`, {
      hint: 'Start a node with the capabilities that the program needs.',
    });
  let best: NodeLoad | undefined;
  for (let i = 0; i < ASSIGN_CHOICES; i++) {
    const node = drawNode(capable, total, `${k}/${attempt}/${i}`);
    if (best === undefined || node.load < best.load || (node.load === best.load && node.node < best.node)) best = node;
  }
  return (best as NodeLoad).node;
}

function drawNode(nodes: readonly NodeLoad[], total: number, name: string): NodeLoad {
  let point = createHash('sha256').update(`mizu-assign ${name}`).digest().readUIntBE(0, 6) % total;
  for (const node of nodes) {
    if (point < node.weight) return node;
    point -= node.weight;
  }
  return nodes[0] as NodeLoad;
}
