/** What a member can offer, from what it was built with. */
import type { Registry } from '../contract/operator.ts';

/** Ops of a registry as offers name them: `name@version`, sorted. */
export function opsOf(registry: Registry): string[] {
  return registry.operators.map(({ name, version }) => `${name}@${version}`).sort();
}
