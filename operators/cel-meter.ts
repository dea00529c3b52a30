/**
 * Bounds one evaluation of an expression (law 11): the library's nodes are wrapped, so that each evaluation of one is a step, what is made is looked at for its size, and
 * what is read is counted. The counts depend on the expression and the record alone (law 1).
 */
import { MizuError } from '#kernel';
import type { ASTNode } from '@marcbachmann/cel-js';

/** Steps of one evaluation: evaluated operators, calls and macro iterations. */
export const STEP_LIMIT = 100_000;
/** Largest text or list that an evaluation may build, UTF-16 units or elements. */
export const SIZE_LIMIT = 1_048_576;
/** What one evaluation may look at in all: UTF-16 units of texts, and elements of lists and maps, each time that they are read. */
export const LOOK_LIMIT = 67_108_864;

/** The expression could not be evaluated over this record. */
export class CelFault extends Error {
  override readonly name = 'CelFault';
}

/** What one evaluation may still spend; owned by the expression that is being evaluated. */
export interface Meter {
  steps: number;
  /** See LOOK_LIMIT: bounds work that no step shows, such as `size(body)` in a loop. It is no gas. */
  looked: number;
  exceeded: string | undefined;
}

type Evaluate = (evaluator: unknown, node: unknown, context: unknown) => unknown;

/** Operations that make new texts and lists: what they make is paid for by size. */
const MAKERS: ReadonlySet<string> = new Set(['+', 'call', 'rcall', 'list']);

/** Counts each evaluation of a node, and for a macro each of its iterations; looks at the size of what is made. */
export function meterNode(node: ASTNode, meter: Meter): void {
  const inner = internalsOf(node);
  const loop = inner.meta.alternate;
  if (loop !== undefined) meterEvaluation(internalsOf(loop.args.step), meter, true);
  else meterEvaluation(inner, meter, MAKERS.has(node.op));
}

const LOOKED_TOO_MUCH = `evaluation looks at more than ${LOOK_LIMIT} characters and elements`;

/** Counts the size of what a name or a field of it stands for, whenever it is read. */
export function meterLook(node: ASTNode, meter: Meter): void {
  const inner = internalsOf(node);
  const { evaluate } = inner.meta;
  const metered: Evaluate = (evaluator, self, context) => {
    const value = evaluate(evaluator, self, context);
    if (typeof value === 'string') meter.looked += value.length;
    else if (typeof value === 'object' && value !== null) meter.looked += sizeOf(value);
    if (meter.looked > LOOK_LIMIT) exceed(meter, LOOKED_TOO_MUCH);
    return value;
  };
  inner.setMeta('evaluate', metered);
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (value instanceof Uint8Array) return value.length;
  if (!Array.isArray(value) && !(value instanceof Map)) return 1;
  let size = 1;
  for (const inner of value.values()) size += sizeOf(inner);
  return size;
}

function meterEvaluation(node: Internals, meter: Meter, makes: boolean): void {
  const { evaluate } = node.meta;
  const metered: Evaluate = (evaluator, self, context) => {
    if (++meter.steps > STEP_LIMIT) exceed(meter, `evaluation takes more than ${STEP_LIMIT} steps`);
    const value = evaluate(evaluator, self, context);
    if (!makes) return value;
    if (typeof value === 'string') meter.steps += value.length >> 6;
    if ((typeof value === 'string' || Array.isArray(value)) && value.length > SIZE_LIMIT) {
      exceed(meter, `evaluation builds a text or list of more than ${SIZE_LIMIT} units`);
    }
    return value;
  };
  node.setMeta('evaluate', metered);
}

/** What the library's nodes hold beside their types: how they are evaluated, and the loop that a macro became. */
interface Internals {
  readonly meta: { readonly evaluate: Evaluate; readonly alternate?: { readonly args: { readonly step: unknown } } };
  setMeta(key: string, value: unknown): unknown;
}

function internalsOf(node: unknown): Internals {
  if (isInternals(node)) return node;
  throw new MizuError('INTERNAL', 'The CEL library has changed its nodes: evaluation can not be metered');
}

function isInternals(node: unknown): node is Internals {
  if (typeof node !== 'object' || node === null || !('setMeta' in node) || !('meta' in node)) return false;
  const { meta } = node;
  return (
    typeof node.setMeta === 'function' &&
    typeof meta === 'object' &&
    meta !== null &&
    'evaluate' in meta &&
    typeof meta.evaluate === 'function'
  );
}

function exceed(meter: Meter, why: string): never {
  // A macro may go on after an error of one element, up to the limit of steps.
  meter.exceeded = meter.looked > LOOK_LIMIT ? LOOKED_TOO_MUCH : why;
  throw new CelFault(why);
}
