/** An op's digest: SHA-256 of its canonical JSON. Where its result is stored is no part of what it does, so `storage` is left out. */
import type { OpSpec } from '../contract/program.ts';
import { canonicalBytes } from '../proof/jcs.ts';
import { sha256 } from '../proof/sha256.ts';
import { toJson } from './to-json.ts';

/** 32 bytes. */
export function opDigest(op: OpSpec): Uint8Array {
  const { storage: _, ...content } = op;
  return sha256(canonicalBytes(toJson(content)));
}

/**
 * An op as its questions and their answers bind it: how often it may ask again (`draws`) is no part of what it asks. So with more draws only what was
 * broken is asked for. 32 bytes.
 */
export function questionDigest(op: OpSpec): Uint8Array {
  const { params } = op;
  if (typeof params !== 'object' || params === null || Array.isArray(params) || !('draws' in params)) return opDigest(op);
  const { draws: _, ...asked } = params;
  return opDigest({ ...op, params: asked });
}
