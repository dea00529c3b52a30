/** Fields and step names that belong to the kernel, not to the author. */
import type { Field } from '../contract/types.ts';

/** Holds a raw record of the source until the op that parses it. */
export const SOURCE_FIELD: Field = { name: '$source', type: 'bytes' };
/** Lists the steps that flagged a record (`onFail: flag`). */
export const FLAGS_FIELD: Field = { name: 'flags', type: { array: 'string' } };
/** Names that the kernel gives its own ops in leaves and reports. */
export const KERNEL_STEPS: readonly string[] = ['source', 'collect', 'shuffle', 'accept', 'publish', 'vrf'];

/** Hidden fields are never published. */
export function isHidden(name: string): boolean {
  return name.startsWith('$');
}

/** `persona` of `persona.voice`. */
export function rootOf(path: string): string {
  const dot = path.indexOf('.');
  return dot < 0 ? path : path.slice(0, dot);
}
