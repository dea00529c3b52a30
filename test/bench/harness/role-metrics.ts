/** What a process that plays roles says of itself, read from its /metrics. */
import type { Child } from './children.ts';

const START_LIMIT_MS = 60_000;

export class RoleMetrics {
  private readonly address: string;

  private constructor(address: string) {
    this.address = address;
  }

  /** @throws when the process ends or does not say where its metrics are. */
  static async of(child: Child): Promise<RoleMetrics> {
    const [, address = ''] = await child.printed(/Metrics and health: (http:\S+)/, START_LIMIT_MS);
    return new RoleMetrics(`${address}/metrics`);
  }

  /** Sum of the series of each metric. @throws when the process does not answer. */
  async read<T extends string>(...names: readonly T[]): Promise<Readonly<Record<T, number>>> {
    const text = await (await fetch(this.address)).text();
    const sumOf = (name: string): number =>
      [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].reduce((sum, [, value]) => sum + Number(value), 0);
    return Object.fromEntries(names.map((name) => [name, sumOf(name)])) as Record<T, number>;
  }
}
