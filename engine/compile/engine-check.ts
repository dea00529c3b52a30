/**
 * A simulator that computes other bytes here than elsewhere would break law 1 silently: each engine brings one run with its exact output, which is done again
 * before a program with that engine is compiled or executed, once in each thread.
 */
import type { DataEngine } from '../contract/data-engine.ts';
import { messageOf } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import type { Row } from '../contract/types.ts';
import { canonicalJson } from '../proof/jcs.ts';
import { fromHex } from '../proof/sha256.ts';

export interface EngineDrift {
  /** The output that every machine gives. */
  readonly expected: Json;
  /** What this one gave, or the text of the error that it failed with. */
  readonly got: Json;
}

const checked = new WeakMap<DataEngine, Promise<EngineDrift | undefined>>();

/** Undefined for an engine that computes here what it computes everywhere. */
export function engineDrift(engine: DataEngine): Promise<EngineDrift | undefined> {
  const known = checked.get(engine) ?? compare(engine);
  checked.set(engine, known);
  return known;
}

function plain(row: Row): Json {
  return JSON.parse(JSON.stringify(row)) as Json;
}

async function compare(engine: DataEngine): Promise<EngineDrift | undefined> {
  const { params, input, seed, output } = engine.check;
  const expected = plain(output);
  let got: Json;
  try {
    const instance = await engine.open(engine.params.parse(params));
    got = plain(instance.run(input, fromHex(seed)).output);
  } catch (error) {
    got = messageOf(error);
  }
  return canonicalJson(got) === canonicalJson(expected) ? undefined : { expected, got };
}
