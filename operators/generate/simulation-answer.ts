/** Reads the answer of a hosted simulator strictly (documents/simulators.md): its outputs with their types, or why there are none. */
import type { Json } from '#kernel';
import { LONG_LIMIT, messageOf, parseStrictJson } from '#kernel';
import { isObject } from './convert.ts';

export interface Expected {
  readonly engine: string;
  /** Absent: any. */
  readonly version?: number | undefined;
  readonly output: readonly { readonly name: string; readonly type: 'double' | 'long' | 'string' | 'boolean' }[];
}

export type Simulation =
  | { readonly output: Readonly<Record<string, string | number | boolean>> }
  | { readonly code: string; readonly message: string };

const malformed = (message: string): Simulation => ({ code: 'RESPONSE_MALFORMED', message });

/** Longest message of a fault that is kept, UTF-16 units. */
const MESSAGE_LIMIT = 500;

export function readSimulation(response: Uint8Array, expected: Expected): Simulation {
  let body: Json;
  try {
    body = parseStrictJson(response);
  } catch (error) {
    return malformed(`the answer is not strict JSON: ${messageOf(error)}`);
  }
  if (!isObject(body)) return malformed('the answer is no JSON object');
  const { fault, engine, version, output } = body;
  if (fault !== undefined) return faultOf(fault);
  if (engine !== expected.engine) return malformed(`the answer is of the simulator ${shown(engine)}, '${expected.engine}' was asked`);
  if (expected.version !== undefined && version !== expected.version)
    return malformed(`the answer is of version ${shown(version)} of '${expected.engine}', ${expected.version} was asked`);
  if (output === undefined || !isObject(output)) return malformed("the answer has no object 'output'");
  const values: Record<string, string | number | boolean> = {};
  for (const { name, type } of expected.output) {
    const value = output[name];
    if (!fits(value, type)) return malformed(`output '${name}' is ${shown(value)}, expected ${type}`);
    values[name] = value;
  }
  return { output: values };
}

function faultOf(fault: Json): Simulation {
  const code = isObject(fault) ? fault['code'] : undefined;
  const message = isObject(fault) ? fault['message'] : undefined;
  if (typeof code !== 'string' || !/^[A-Z][A-Z0-9_]{0,63}$/.test(code) || typeof message !== 'string')
    return malformed("the answer's fault has no code in UPPER_SNAKE and message");
  return { code, message: message.slice(0, MESSAGE_LIMIT).replace(/[\uD800-\uDBFF]$/, '') };
}

function fits(value: Json | undefined, type: Expected['output'][number]['type']): value is string | number | boolean {
  if (type === 'double') return typeof value === 'number';
  if (type === 'long') return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= LONG_LIMIT;
  return typeof value === type;
}

function shown(value: Json | undefined): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 80);
}
