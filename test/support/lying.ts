/**
 * Nodes that lie, and one that dies. Their runs are consistent in themselves: chained, committed, signed by the right key. Either an op of theirs does something
 * else than the op of that name, or they sign for a commitment that nothing leads to.
 */
import {
  type EffectSink,
  type KeyedSink,
  MizuError,
  type Registry,
  sha256,
  type TaskExecutor,
  type TaskInput,
  type TaskOutput,
} from '#engine';
import { registry } from '#topologies';
import { decodeFrame, frameRoot } from '../../engine/proof/frame.ts';
import { decodeLeaf, encodeLeaf, type Leaf, outputCommitment } from '../../engine/proof/leaf.ts';

export interface Lie {
  /** Operator that does something else. */
  readonly operator: string;
  /** Sees each verdict of a row op on its way out; `candidate` in the run. */
  readonly row?: (sink: EffectSink, candidate: (row: number) => number) => Partial<EffectSink>;
  readonly keyed?: (sink: KeyedSink, place: (row: number) => string) => Partial<KeyedSink>;
}

/** All operators, one of which lies. */
export function lyingRegistry({ operator: name, row: lieOfRow, keyed: lieOfStep }: Lie): Registry {
  const operators = registry.operators.map((operator): (typeof registry.operators)[number] => {
    if (operator.name !== name) return operator;
    return {
      ...operator,
      async open(op, env) {
        const honest = await operator.open(op, env);
        if ('execute' in honest) {
          return {
            execute(input, out) {
              const lie = lieOfRow?.(out, (row) => input.candidate(row)) ?? {};
              honest.execute(input, around(out, lie));
            },
          };
        }
        if (!('step' in honest)) return honest;
        return {
          step: (batch, out) => honest.step(batch, around(out, lieOfStep?.(out, (row) => `${batch.k}.${batch.candidate(row)}`) ?? {})),
          apply: (delta) => honest.apply(delta),
          report: () => honest.report?.() ?? null,
          close: () => honest.close?.(),
        };
      },
    };
  });
  return { ...registry, operators };
}

/** The sink, except for what the lie does itself. */
function around<T extends object>(sink: T, lie: Partial<T>): T {
  return new Proxy(sink, {
    get(target, name) {
      const own: unknown = Reflect.get(lie, name);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Executes honestly, and then signs for an effect of the op in block 0 of task k that never was: all that follows is chained to it. */
export class ForgingExecutor implements TaskExecutor {
  private readonly honest: TaskExecutor;
  private readonly k: number;
  private readonly step: string;

  constructor(honest: TaskExecutor, k: number, step: string) {
    this.honest = honest;
    this.k = k;
    this.step = step;
  }

  async execute(input: TaskInput): Promise<TaskOutput> {
    const output = await this.honest.execute(input);
    return input.k === this.k ? { ...output, leaves: this.forge(output) } : output;
  }

  close(): Promise<void> {
    return this.honest.close();
  }

  private forge({ leaves, frames }: TaskOutput): Uint8Array[] {
    const forged: Leaf[] = [];
    let broken = false;
    for (const leaf of leaves.map(decodeLeaf)) {
      const before = forged.at(-1);
      const chained = broken && before?.block === leaf.block ? { ...leaf, input: before.output } : leaf;
      if (leaf.block === 0 && leaf.step === this.step) broken = true;
      // The effects of ops are not on the log, so that nobody can tell these outputs from right ones without executing.
      forged.push(broken && leaf.block === 0 ? { ...chained, output: sha256(leaf.output) } : chained);
    }
    const last = forged.at(-1);
    if (last === undefined) return [];
    const ends = forged.filter((leaf, n) => leaf !== last && forged[n + 1]?.block !== leaf.block);
    const input = sha256(...ends.map((leaf) => leaf.output));
    const roots = frames.map((frame) => frameRoot(decodeFrame(frame)));
    forged[forged.length - 1] = { ...last, input, output: outputCommitment(input, last.opDigest, sha256(...roots)) };
    return forged.map(encodeLeaf);
  }
}

/** Dies, as a worker thread does, whenever it should execute one of these candidates of the run. */
export class DyingExecutor implements TaskExecutor {
  private readonly honest: TaskExecutor;
  private readonly deadly: readonly number[];

  constructor(honest: TaskExecutor, deadly: readonly number[]) {
    this.honest = honest;
    this.deadly = deadly;
  }

  async execute(input: TaskInput): Promise<TaskOutput> {
    const { first, count, poison } = input;
    const struck = this.deadly.some((candidate) => candidate >= first && candidate < first + count && !poison.includes(candidate - first));
    if (struck) throw new MizuError('WORKER_DIED', 'A candidate ended its worker');
    return this.honest.execute(input);
  }

  close(): Promise<void> {
    return this.honest.close();
  }
}
