/** W1 by `mizu run` on one machine: a JSONL file through the embedded log with everything that is proved and committed, then exported and judged. The floor takes turns with it. */
import { floor, mizuRun } from '../engines/embedded.ts';
import type { Bench } from '../harness/bench.ts';
import { machine } from '../harness/result.ts';
import { sideBySide } from '../harness/side-by-side.ts';
import { w1File, w1Reference } from '../w1/data.ts';

const DEFAULT_RECORDS = 200_000;

export const w1Embedded: Bench = async (options) => {
  const records = options.records ?? DEFAULT_RECORDS;
  const file = w1File(records);
  const reference = await w1Reference(file);
  const sides = { options, machine: machine(), engines: [mizuRun, floor] };
  const result = await sideBySide('w1-embedded', sides, (engine) => engine.play({ file, records, reference }, options));
  const note = `goals with ${options.workers} workers: 2 times the floor's records/s, 28 CPU-seconds per million`;
  return { ...result, notes: [...result.notes, note] };
};
