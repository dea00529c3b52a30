/** The dispatcher on virtual time: 10,000 nodes and a million tasks with heavy tails, nodes that die and come back. Without peer: it is no stream. */
import { benchDispatch } from '../dispatch.ts';
import type { Bench } from '../harness/bench.ts';
import { machine, median } from '../harness/result.ts';

const DEFAULT_TASKS = 1_000_000;
const NODES = 10_000;
const SEED = 1;

export const dispatch: Bench = async (options) => {
  const tasks = options.records ?? DEFAULT_TASKS;
  const runs: Readonly<Record<string, number>>[] = [];
  for (let n = 0; n < options.repeat; n++) runs.push({ ...(await benchDispatch({ nodes: NODES, tasks, seed: SEED + n })) });
  const names = Object.keys(runs[0] ?? {});
  const figures = Object.fromEntries(names.map((name) => [name, median(runs.map((run) => run[name] ?? Number.NaN))]));
  return { bench: 'dispatch', machine: machine(), repeat: options.repeat, figures, peers: [], notes: [] };
};
