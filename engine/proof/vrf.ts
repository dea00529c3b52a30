/**
 * Verifiable random function ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381, suite 03): for a key and an input there is one beta, which
 * only the key's owner can compute and everyone can check. Only beta may be used: many pi are good for it.
 * Proving runs in BigInt and is not constant-time: keep it away from callers who can measure it.
 */
import { createHash } from 'node:crypto';
import { MizuError } from '../contract/errors.ts';
import type { Signer } from '../contract/signer.ts';
import { SEED_BYTES, seedOf, signerFromSeed } from './ed25519.ts';
import type { Point } from './edwards.ts';
import {
  add,
  BASE,
  decodePoint,
  encodePoint,
  isIdentity,
  L,
  littleEndian,
  littleEndianBytes,
  multiply,
  negate,
  pointProblem,
} from './edwards.ts';
import { equalBytes } from './sha256.ts';

const SUITE = 0x03;
const COFACTOR = 8n;
const POINT_BYTES = 32;
const CHALLENGE_BYTES = 16;
export const VRF_PROOF_BYTES = POINT_BYTES + CHALLENGE_BYTES + 32;

function sha512(...parts: Uint8Array[]): Uint8Array {
  const state = createHash('sha512');
  for (const part of parts) state.update(part);
  return state.digest();
}

/** Try-and-increment (RFC 9381 section 5.4.1.1); each try succeeds with probability about one half. */
function encodeToCurve(publicKey: Uint8Array, alpha: Uint8Array): Point {
  for (let counter = 0; counter < 256; counter++) {
    const digest = sha512(Uint8Array.of(SUITE, 0x01), publicKey, alpha, Uint8Array.of(counter, 0x00));
    const point = decodePoint(digest.subarray(0, POINT_BYTES));
    if (typeof point === 'string') continue;
    const cleared = multiply(point, COFACTOR);
    if (!isIdentity(cleared)) return cleared;
  }
  throw new MizuError('INTERNAL', 'VRF: no point was found in 256 tries, which has a chance of 2^-256');
}

/** RFC 9381 section 5.4.3. */
function challenge(points: readonly Uint8Array[]): bigint {
  const digest = sha512(Uint8Array.of(SUITE, 0x02), ...points, Uint8Array.of(0x00));
  return littleEndian(digest.subarray(0, CHALLENGE_BYTES));
}

/** beta of a decoded Gamma (RFC 9381 section 5.2). */
function output(gamma: Point): Uint8Array {
  return sha512(Uint8Array.of(SUITE, 0x03), encodePoint(multiply(gamma, COFACTOR)), Uint8Array.of(0x00));
}

/** Proof and output for the input `alpha` (RFC 9381 section 5.1). `seed`: 32 bytes of an Ed25519 key. @throws KEY_INVALID. */
export function vrfProve(seed: Uint8Array, alpha: Uint8Array): { readonly proof: Uint8Array; readonly beta: Uint8Array } {
  const { publicKey } = signerFromSeed(seed);
  const expanded = sha512(seed);
  const scalarBytes = Buffer.from(expanded.subarray(0, SEED_BYTES));
  // RFC 8032 section 5.1.5: bits 0 to 2 and 255 off, bit 254 on.
  scalarBytes[0] = (scalarBytes[0] ?? 0) & 0xf8;
  scalarBytes[31] = ((scalarBytes[31] ?? 0) & 0x7f) | 0x40;
  const x = littleEndian(scalarBytes);
  const h = encodeToCurve(publicKey, alpha);
  const hBytes = encodePoint(h);
  const gamma = multiply(h, x);
  const gammaBytes = encodePoint(gamma);
  const nonce = littleEndian(sha512(expanded.subarray(SEED_BYTES), hBytes)) % L;
  const c = challenge([publicKey, hBytes, gammaBytes, encodePoint(multiply(BASE, nonce)), encodePoint(multiply(h, nonce))]);
  const s = (nonce + c * x) % L;
  const proof = Buffer.concat([gammaBytes, littleEndianBytes(c, CHALLENGE_BYTES), littleEndianBytes(s, 32)]);
  return { proof, beta: output(gamma) };
}

/** As `vrfProve`, by a signer's own key. @throws KEY_INVALID for a signer whose key is kept elsewhere. */
export function vrfProveBy(signer: Signer, alpha: Uint8Array): ReturnType<typeof vrfProve> {
  const seed = seedOf(signer);
  if (seed !== undefined) return vrfProve(seed, alpha);
  throw new MizuError('KEY_INVALID', "Verifiable random numbers need the gateway's key itself, and this one only signs", {
    hint: 'Give the gateway a key file.',
  });
}

/** beta (64 bytes) if the proof is good for key and input, else undefined (RFC 9381 section 5.3). Keys as in `checkPublicKey`. Never throws. */
export function vrfVerify(publicKey: Uint8Array, alpha: Uint8Array, proof: Uint8Array): Uint8Array | undefined {
  const judged = vrfJudge(publicKey, alpha, proof);
  return typeof judged === 'string' ? undefined : judged;
}

/** beta (64 bytes), or why the proof is refused. Never throws. */
export function vrfJudge(publicKey: Uint8Array, alpha: Uint8Array, proof: Uint8Array): Uint8Array | string {
  const keyProblem = publicKey.length === POINT_BYTES ? pointProblem(publicKey) : 'length';
  if (keyProblem !== undefined) return `its key is refused: ${keyProblem}`;
  if (proof.length !== VRF_PROOF_BYTES) return `it has ${proof.length} bytes, not ${VRF_PROOF_BYTES}`;
  const y = decodePoint(publicKey);
  const gammaBytes = proof.subarray(0, POINT_BYTES);
  const gamma = decodePoint(gammaBytes);
  const cBytes = proof.subarray(POINT_BYTES, POINT_BYTES + CHALLENGE_BYTES);
  const c = littleEndian(cBytes);
  const s = littleEndian(proof.subarray(POINT_BYTES + CHALLENGE_BYTES));
  if (typeof y === 'string') return `its key is refused: ${y}`;
  if (typeof gamma === 'string') return `its Gamma is refused: ${gamma}`;
  if (s >= L) return 'its s is not below the order of the group';
  const h = encodeToCurve(publicKey, alpha);
  const u = add(multiply(BASE, s), negate(multiply(y, c)));
  const v = add(multiply(h, s), negate(multiply(gamma, c)));
  const expected = challenge([publicKey, encodePoint(h), gammaBytes, encodePoint(u), encodePoint(v)]);
  return equalBytes(littleEndianBytes(expected, CHALLENGE_BYTES), cBytes) ? output(gamma) : 'it is not of this key and input';
}

/** beta of a proof that somebody has checked (RFC 9381 section 5.2). @throws PROOF_INVALID for bytes that are no proof. */
export function vrfOutput(proof: Uint8Array): Uint8Array {
  const gamma = proof.length === VRF_PROOF_BYTES ? decodePoint(proof.subarray(0, POINT_BYTES)) : 'length';
  if (typeof gamma === 'string') throw new MizuError('PROOF_INVALID', `Not a VRF proof: ${gamma}`);
  return output(gamma);
}
