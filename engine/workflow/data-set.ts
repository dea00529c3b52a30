/** Data sets as bytes: canonical JSON of {keys, kind, type, values}, named by its SHA-256, so that every node holds the same one. */
import { MizuError } from '../contract/errors.ts';
import type { DigestHex } from '../contract/ids.ts';
import type { Json } from '../contract/program.ts';
import type { DataSet } from '../contract/storage.ts';
import type { Value } from '../contract/types.ts';
import { canonicalBytes, digestOf } from '../proof/jcs.ts';
import { parseStrictJson } from '../proof/json-parser.ts';
import { fitsType } from './infer-type.ts';
import { isFieldType } from './type-shapes.ts';

/** What a data set's digest covers. */
function contentOf(data: Omit<DataSet, 'digest'>): Json {
  return {
    kind: data.kind,
    type: data.type as Json,
    values: data.values as readonly Json[],
    ...(data.keys === undefined ? {} : { keys: data.keys }),
  };
}

export function dataSetDigest(data: Omit<DataSet, 'digest'>): DigestHex {
  return digestOf(contentOf(data));
}

/** The bytes that a run publishes on the log; their SHA-256 is the digest. */
export function encodeDataSet(data: DataSet): Uint8Array {
  return canonicalBytes(contentOf(data));
}

/** Reads what `encodeDataSet` wrote. @throws BYTES_INVALID for anything else. */
export function decodeDataSet(bytes: Uint8Array): DataSet {
  const value = parseStrictJson(bytes);
  if (!isMap(value) || (value['kind'] !== 'list' && value['kind'] !== 'map')) throw invalid('it is neither a list nor a map');
  const { type, values, keys } = value;
  const kind = value['kind'] === 'list' ? 'list' : 'map';
  if (!isFieldType(type) || !Array.isArray(values)) throw invalid('its type or its values are missing');
  if (!values.every((element: Json) => fitsType(type, element as Value))) throw invalid('a value does not fit its type');
  if (Object.keys(value).length !== (kind === 'list' ? 3 : 4)) throw invalid('it holds something else beside');
  const content = { kind, type, values: values as readonly Value[] } as const;
  if (kind === 'list') return checked(bytes, content);
  if (keys === undefined || !isKeyList(keys, values.length)) throw invalid('its keys are wrong');
  return checked(bytes, { ...content, keys });
}

function checked(bytes: Uint8Array, data: Omit<DataSet, 'digest'>): DataSet {
  if (!Buffer.from(canonicalBytes(contentOf(data))).equals(bytes)) throw invalid('it is not canonical JSON');
  return { ...data, digest: dataSetDigest(data) };
}

function invalid(why: string): MizuError {
  return new MizuError('BYTES_INVALID', `Not a data set: ${why}`);
}

function isMap(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isKeyList(keys: Json, length: number): keys is readonly string[] {
  return (
    Array.isArray(keys) && keys.length === length && keys.every((key: Json) => typeof key === 'string') && new Set(keys).size === length
  );
}
