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
