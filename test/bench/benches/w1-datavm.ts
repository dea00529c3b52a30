/** What the DataVM alone costs on W1. `bytes` names all that was made: it must not change when only speed should. */
import { compileFile } from '#topologies';
import { playDatavm } from '../engines/datavm.ts';
import type { Bench } from '../harness/bench.ts';
import type { Side } from '../harness/result.ts';
import { machine, summarise } from '../harness/result.ts';
import { linesOf, w1File, w1Reference, WORKFLOW_FILE } from '../w1/data.ts';
import { W1Check } from '../w1/reference.ts';

const DEFAULT_RECORDS = 200_000;

export const w1Datavm: Bench = async (options) => {
  const file = w1File(options.records ?? DEFAULT_RECORDS);
  const compiled = await compileFile(WORKFLOW_FILE, [`generate[0].read.path=${file}`]);
  const reference = await w1Reference(file);
  const lines = linesOf(file);
  const runs: Side[] = [];
  for (let n = 0; n < options.repeat; n++) {
    const { side, bytes } = await playDatavm(compiled, lines, new W1Check(reference), options.cleanup);
    options.note(`bytes ${bytes}`);
    runs.push(side);
  }
  const { name: _, ...own } = summarise(runs);
  return { bench: 'w1-datavm', machine: machine(), repeat: options.repeat, ...own, peers: [], notes: [] };
};
