/** A program's name: the SHA-256 of its canonical JSON (RFC 8785). It covers what P5 lists, because a program holds nothing else. */
import type { DigestHex } from '../contract/ids.ts';
import type { Program } from '../contract/program.ts';
import { canonicalBytes, digestOf } from '../proof/jcs.ts';
import { toJson } from './to-json.ts';

export function programDigest(program: Program): DigestHex {
  return digestOf(toJson(program));
}

/** The bytes that a run publishes on the log; their SHA-256 is the digest. */
export function encodeProgram(program: Program): Uint8Array {
  return canonicalBytes(toJson(program));
}
