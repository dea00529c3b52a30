/** A keyed operator by itself, as a step opens it. */
import type { DataSet, Json, KeyedExecutor, KeyIndex, OpEnv, OpSpec } from '#engine';
import { operators } from '#operators';
import { seededDraws } from '../../engine/datavm/draws.ts';

export interface KeyedParts {
  /** The list or map that it names. */
  readonly data?: DataSet | undefined;
  readonly openKeyIndex?: () => KeyIndex;
}

export async function openKeyed(
  name: string,
  params: Json,
  { data, openKeyIndex = none('index') }: KeyedParts = {},
): Promise<KeyedExecutor> {
  const operator = operators.find((known) => known.name === name);
  if (operator === undefined) throw new RangeError(name);
  const op: OpSpec = {
    id: name,
    op: name,
    version: 1,
    kind: 'keyed',
    params,
    reads: [],
    writes: [],
    data: data === undefined ? [] : [data.digest],
    onFail: 'drop',
    storage: 'local',
  };
  const env: OpEnv = {
    storage: { data: data === undefined ? none('data') : () => data },
    local: { openKeyIndex, close: async () => {} },
    draws: seededDraws(7, name),
    drawsFor: () => seededDraws(7, name),
    engines: [],
    questionDigest: new Uint8Array(32),
    program: { accept: undefined, expectedRecords: 100 },
  };
  const executor = await operator.open(op, env);
  if (!('step' in executor)) throw new RangeError(`${name} is not keyed`);
  return executor;
}

function none(what: string): () => never {
  return () => {
    throw new RangeError(`no ${what}`);
  };
}
