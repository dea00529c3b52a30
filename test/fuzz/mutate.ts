/** The n-th damaged file of a seed: always the same, so that whatever it finds can be played again. */
import { Random } from '../fault/network/random.ts';
import { mutateBytes, mutateText } from './mutate-text.ts';
import { mutateTree } from './mutate-tree.ts';
import { pickOf } from './odd-values.ts';

/** Most damages of one file. */
const DAMAGES = 5;
/** Files above this are not grown further, bytes: repeated repetition only makes the game slow. */
const GROWN = 30_000;

export interface Damaged {
  /** The workflow that it was. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A text and its name. */
export interface Sample {
  readonly name: string;
  readonly text: string;
}

export function damaged(samples: readonly Sample[], seed: number, n: number): Damaged {
  const choices = new Random(Math.imul(seed + 1, 0x85eb_ca6b) ^ Math.imul(n + 1, 0xc2b2_ae35));
  const sample = pickOf(choices, samples) ?? { name: 'nothing', text: '' };
  const other = pickOf(choices, samples)?.text ?? '';
  let { text } = sample;
  if (choices.chance(60)) text = mutateTree(text, choices, other, choices.whole(1, DAMAGES));
  const damages = choices.chance(60) ? choices.whole(1, DAMAGES) : 0;
  for (let d = 0; d < damages && text.length < GROWN; d++) text = mutateText(text, choices, other);
  const bytes = new TextEncoder().encode(text);
  return { name: sample.name, bytes: choices.chance(7) ? mutateBytes(bytes, choices) : bytes };
}
