/** Which roles of a run are played, and which ones somebody has to start. */
import type { Program } from '../contract/program.ts';
import type { ControlFold } from '../dispatch/control-fold.ts';
import { isHeld } from '../dispatch/roles.ts';

export interface RollCall {
  /** An orchestrator took the run over and works on it. */
  readonly orchestrator: boolean;
  /** Members that take tasks, and how many may. */
  readonly nodes: number;
  readonly employed: number;
  /** Somebody takes the partitions of keyed stages. */
  readonly steps: boolean;
  readonly checkpointer: boolean;
  /** Whether the program asks models, and a member that answers takes part. */
  readonly asks: boolean;
  readonly gateway: boolean;
}

export function rollCall(fold: ControlFold, program: Program, employed: number, alive: boolean): RollCall {
  const offers = [...fold.members.values()].map(({ offer }) => offer);
  const checkpointer = fold.roles.get('checkpointer');
  return {
    orchestrator: alive && fold.opens > 0,
    nodes: offers.filter(({ slots }) => slots > 0).length,
    employed: fold.settings?.nodes ?? employed,
    steps: offers.some(({ steps }) => steps),
    checkpointer: checkpointer !== undefined && isHeld(fold, checkpointer),
    asks: program.stages.some(({ ops }) => ops.some(({ kind }) => kind === 'external')),
    gateway: offers.some(({ answers }) => answers),
  };
}

/** Whether nobody has to be started for the run to go on. */
export function isManned({ orchestrator, nodes, steps, checkpointer, asks, gateway }: RollCall): boolean {
  return orchestrator && nodes > 0 && steps && checkpointer && (!asks || gateway);
}
