/** Where the exact count stands in the last stage (P4): after the last op that can drop a record, so that aggregates behind it see accepted records only. */
import type { StageSpec } from '../contract/program.ts';

/** How many of the stage's ops come before the count. Keyed ops of a last stage drop nothing, unless they say so. */
export function acceptPlace(stage: StageSpec): number {
  return stage.ops.findLastIndex((op) => op.kind !== 'keyed' || op.drops === true) + 1;
}
