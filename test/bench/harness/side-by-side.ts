/** Engines that take turns in one invocation, so that whatever slows the machine slows all of them; their medians are compared. */
import type { BenchOptions } from './bench.ts';
import type { BenchResult, Machine, Side } from './result.ts';
import { ratioOf, summarise } from './result.ts';

interface Contender {
  /** As it stands in results. */
  readonly name: string;
  readonly side: 'mizu' | 'peer';
}

export interface Contest<E extends Contender> {
  readonly options: BenchOptions;
  readonly machine: Machine;
  readonly engines: readonly E[];
}

/** Runs those of the engines whose side was chosen in turn, `repeat` times. `measure` gets the number of the turn. */
export async function sideBySide<E extends Contender>(
  bench: string,
  { options, machine, engines }: Contest<E>,
  measure: (engine: E, n: number) => Promise<Side>,
): Promise<BenchResult> {
  const chosen = engines.filter((engine) => options.sides.has(engine.side));
  const runs = new Map<E, Side[]>(chosen.map((engine) => [engine, []]));
  for (let n = 0; n < options.repeat; n++) {
    for (const engine of chosen) {
      options.note(`${engine.name}: run ${n + 1} of ${options.repeat}`);
      runs.get(engine)?.push(await measure(engine, n));
    }
  }
  const summaries = [...runs].map(([{ side }, sides]) => ({ side, summary: summarise(sides) }));
  const own = summaries.find(({ side }) => side === 'mizu')?.summary;
  const peers = summaries
    .filter(({ side }) => side === 'peer')
    .map(({ summary }) => ({ ...summary, ratio: own === undefined ? {} : ratioOf(own, summary) }));
  const { name: _, ...figures } = own ?? { name: '' };
  const left = chosen.length < engines.length ? [`only ${chosen.map((engine) => engine.name).join()} was run`] : [];
  return { bench, machine, repeat: options.repeat, ...figures, peers, notes: left };
}
