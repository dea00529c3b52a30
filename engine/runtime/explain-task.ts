/** Why a member got a task: recomputed from control by the rule that the orchestrator is bound to (P17), reading control once. */
import type { Log } from '../contract/log.ts';
import { decodeControl, readEntry } from '../dispatch/signed-entry.ts';
import { ControlFold } from '../dispatch/control-fold.ts';
import type { Explanation } from '../dispatch/explain.ts';
import { explainEntry } from '../dispatch/explain.ts';
import { readAll } from './log-cursor.ts';
import type { DeployedRun } from './read-run.ts';
import { taskNeeds } from './task-needs.ts';
import { RunTopics } from './topics.ts';

/** Every attempt of task k, oldest first; empty for one that was assigned to nobody. */
export async function explainTask(log: Log, { run, program }: DeployedRun, k: number): Promise<Explanation[]> {
  const { control } = new RunTopics(run);
  const fold = new ControlFold();
  const needs = taskNeeds(program);
  const explanations: Explanation[] = [];
  for await (const entry of readAll(log, control, 0)) {
    const { body } = readEntry(decodeControl, control, 0, entry);
    if (body.type === 'assign' && body.k === k) explanations.push(explainEntry(fold, body, needs));
    fold.apply(body);
    // Nothing is assigned any more once control has forgotten the task.
    if (fold.low > k) break;
  }
  return explanations;
}
