/** How many records came to each step and how many it kept, counted from the dropped records on the log (law 5). */
import type { DeployedRun, Log, Operator, Program } from '#engine';
import { acceptPlace, listDrops } from '#engine';
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

/** @param candidates of the whole run. */
export async function stepCounts(log: Log, run: DeployedRun, candidates: number): Promise<StepCount[]> {
  const dropped = new Map<string, number>();
  for (const kind of ['rejected', 'failed', 'duplicate'] as const) {
    for await (const { step } of listDrops(log, run, kind)) dropped.set(step, (dropped.get(step) ?? 0) + 1);
  }
  let live = candidates;
  return stepsOf(run.program).map((step) => {
    const counted = { ...step, in: live, kept: live - (dropped.get(step.id) ?? 0) };
    live = counted.kept;
    return counted;
  });
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
