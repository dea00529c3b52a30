/** Who may take the steps of a keyed partition, and why: its newest leases, recomputed from control by the rule that the orchestrator is bound to. */
import type { Log } from '../contract/log.ts';
import { decodeControl, readEntry } from '../dispatch/signed-entry.ts';
import { ControlFold } from '../dispatch/control-fold.ts';
import type { LeaseExplanation } from '../dispatch/explain-lease.ts';
import { explainLeaseEntry } from '../dispatch/explain-lease.ts';
import { isHeld } from '../dispatch/roles.ts';
import { readAll } from './log-cursor.ts';
import type { DeployedRun } from './read-run.ts';
import { RunTopics } from './topics.ts';

/** Grants of a partition that are explained: the newest. */
const LEASES_SHOWN = 5;

export interface StepExplanation {
  /** Grants so far. */
  readonly grants: number;
  /** The newest, oldest first. */
  readonly leases: readonly LeaseExplanation[];
  /** Whether the holder of the newest still takes part. */
  readonly held: boolean;
}

/** Undefined for a partition that the program does not have. */
export async function explainStep(
  log: Log,
  { run, program }: DeployedRun,
  place: { readonly stage: number; readonly partition: number },
): Promise<StepExplanation | undefined> {
  const keyed = program.stages.filter((stage) => stage.kind !== 'source');
  const { stage, partition } = place;
  if (partition >= (keyed.find(({ index }) => index === stage)?.partitions ?? 0)) return undefined;
  const { control } = new RunTopics(run);
  const fold = new ControlFold();
  const leases: LeaseExplanation[] = [];
  let grants = 0;
  for await (const entry of readAll(log, control, 0)) {
    const { body } = readEntry(decodeControl, control, 0, entry);
    if (body.type === 'lease' && body.stage === stage && body.partition === partition) {
      grants++;
      leases.push(explainLeaseEntry(fold, body, keyed));
      if (leases.length > LEASES_SHOWN) leases.shift();
    }
    fold.apply(body);
  }
  const newest = fold.leases.get(`${stage}/${partition}`);
  return { grants, leases, held: newest !== undefined && isHeld(fold, newest) };
}
