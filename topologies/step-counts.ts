/** How many records came to each step and how many it kept, for people (law 5). */
import type { Operator, Program, PublishedExtent } from '#engine';
import { acceptPlace } from '#engine';
import { registry } from './registry.ts';

export interface StepCount {
  readonly id: string;
  readonly op: string;
  readonly in: number;
  readonly kept: number;
  readonly summary: string;
}

/** Step id of the exact count. */
const ACCEPT = 'accept';

/** `counted`: by step id, as the leaves count. */
export function stepCounts(program: Program, counted: PublishedExtent['steps']): StepCount[] {
  return stepsOf(program).map((step) => ({ ...step, ...(counted.get(step.id) ?? { in: 0, kept: 0 }) }));
}

/** In the order in which they are executed; the exact count stands after the last op that can drop a record. */
function stepsOf(program: Program): { readonly id: string; readonly op: string; readonly summary: string }[] {
  const steps = [
    {
      id: 'source',
      op: 'source',
      summary:
        program.source === undefined
          ? 'makes candidates'
          : `takes records of the ${'kind' in program.source ? `topic '${program.source.name}'` : 'source'} (${program.source.format})`,
    },
  ];
  for (const stage of program.stages) {
    const ops = stage.ops.map(({ id, op }) => ({ id, op, summary: operatorOf(op)?.summary ?? '' }));
    if (stage.kind === 'last' && program.accept !== undefined) {
      ops.splice(acceptPlace(stage), 0, { id: ACCEPT, op: ACCEPT, summary: `Cut at exactly ${program.accept} records.` });
    }
    steps.push(...ops);
  }
  return steps;
}

function operatorOf(name: string): Operator | undefined {
  return registry.operators.find((operator) => operator.name === name);
}
