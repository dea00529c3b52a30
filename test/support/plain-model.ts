/**
 * A model for the oracle: what it says is a function of the seed that it is asked with, and some seeds are cut. Asked by a schema it picks one of each
 * list of options, or talks.
 */
import type { Answer, Json, Question } from '#engine';
import { utf8 } from '#engine';

const SAYINGS = ['', 'a', ' tea time ', 'A longer saying, with "quotes"', '😀'];

/** Undefined: the answer is cut. */
export function plainSaying(seed: number): string | undefined {
  return seed % 3 === 0 ? undefined : SAYINGS[seed % SAYINGS.length];
}

/** Its pick for the choice that stands at this place of a schema, among options in order. */
export function plainPick<T>(seed: number, at: number, options: readonly T[]): T | { readonly code: string } {
  if (seed % 5 === 0) return { code: 'ANSWER_CUT' };
  if (seed % 7 === 0) return { code: 'ANSWER_NOT_JSON' };
  return options[Math.floor(seed / 35 + at * (seed % 3)) % options.length] as T;
}

export function plainAnswer({ request }: Question): Answer {
  const asked = JSON.parse(Buffer.from(request).toString('utf8')) as { readonly seed: number; readonly response_format?: Format };
  const { response_format: format, seed } = asked;
  const said = format === undefined ? plainSaying(seed) : answerBy(format.json_schema.schema, seed);
  const choice = {
    index: 0,
    finish_reason: said === undefined ? 'length' : 'stop',
    message: { role: 'assistant', content: said ?? 'It is' },
  };
  return { kind: 'answer', response: utf8(JSON.stringify({ model: 'plain', choices: [choice] })) };
}

interface Format {
  readonly json_schema: { readonly schema: Schema };
}
interface Schema {
  readonly enum?: readonly Json[];
  readonly properties?: { readonly [name: string]: Schema };
}

/** Undefined: the answer is cut. */
function answerBy(schema: Schema, seed: number): string | undefined {
  let at = 0;
  let failed: string | undefined;
  const fill = ({ enum: options, properties }: Schema): Json => {
    if (properties !== undefined)
      return Object.fromEntries(
        Object.keys(properties)
          .sort()
          .map((name) => [name, fill(properties[name] ?? {})]),
      );
    if (options === undefined) return 'because';
    const pick = plainPick(seed, at++, options);
    if (typeof pick !== 'object' || pick === null || !('code' in pick)) return pick;
    failed = String(pick.code);
    return null;
  };
  const filled = JSON.stringify(fill(schema));
  if (failed === 'ANSWER_CUT') return undefined;
  return failed === undefined ? filled : 'Well, let me think about that.';
}
