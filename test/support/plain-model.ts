/** A model for the oracle: what it says is a function of the seed that it is asked with, and some seeds are cut. */
import type { Answer, Question } from '#engine';
import { parseStrictJson, utf8 } from '#engine';

const SAYINGS = ['', 'a', ' tea time ', 'A longer saying, with "quotes"', '😀'];

/** Undefined: the answer is cut. */
export function plainSaying(seed: number): string | undefined {
  return seed % 3 === 0 ? undefined : SAYINGS[seed % SAYINGS.length];
}

export function plainAnswer({ request }: Question): Answer {
  const { seed } = parseStrictJson(request) as { readonly seed: number };
  const said = plainSaying(seed);
  const choice = {
    index: 0,
    finish_reason: said === undefined ? 'length' : 'stop',
    message: { role: 'assistant', content: said ?? 'It is' },
  };
  return { kind: 'answer', response: utf8(JSON.stringify({ model: 'plain', choices: [choice] })) };
}
