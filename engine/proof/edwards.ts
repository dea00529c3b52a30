/**
 * Points of edwards25519 (RFC 8032 section 5.1) in BigInt: to judge public keys, and for VRF proofs. Not constant-time; signing and
 * verifying signatures stay with node:crypto.
 */
const P = 2n ** 255n - 19n;
/** Order of the base point. */
export const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
/** A square root of −1. */
const I = 19681161376707505956807079304988542015446066515923890162744021073123829784752n;

/** Extended coordinates: x = X/Z, y = Y/Z, T = XY/Z (RFC 8032 section 5.1.4). */
export interface Point {
  readonly x: bigint;
  readonly y: bigint;
  readonly z: bigint;
  readonly t: bigint;
}

/** The base point B (RFC 8032 section 5.1). */
export const BASE: Point = pointOf(
  15112221349535400772501151409588531511454012693041857206046113283949847762202n,
  46316835694926478169428394003475163141307993866256225615783033603165251855960n,
);

const IDENTITY: Point = { x: 0n, y: 1n, z: 1n, t: 0n };

function pointOf(x: bigint, y: bigint): Point {
  return { x, y, z: 1n, t: mod(x * y) };
}

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

export function add(a: Point, b: Point): Point {
  const aa = mod((a.y - a.x) * (b.y - b.x));
  const bb = mod((a.y + a.x) * (b.y + b.x));
  const cc = mod(2n * D * a.t * b.t);
  const dd = mod(2n * a.z * b.z);
  const e = bb - aa;
  const f = dd - cc;
  const g = dd + cc;
  const h = bb + aa;
  return { x: mod(e * f), y: mod(g * h), z: mod(f * g), t: mod(e * h) };
}

export function multiply(point: Point, scalar: bigint): Point {
  let result = IDENTITY;
  for (let bit = scalar.toString(2).length - 1; bit >= 0; bit--) {
    result = add(result, result);
    if (((scalar >> BigInt(bit)) & 1n) === 1n) result = add(result, point);
  }
  return result;
}

export function isIdentity(point: Point): boolean {
  return point.x === 0n && point.y === point.z;
}

export function negate(point: Point): Point {
  return { x: mod(-point.x), y: point.y, z: point.z, t: mod(-point.t) };
}

/** 32 bytes (RFC 8032 section 5.1.2). */
export function encodePoint(point: Point): Uint8Array {
  const inverse = power(point.z, P - 2n);
  const x = mod(point.x * inverse);
  const y = mod(point.y * inverse);
  return littleEndianBytes(y | ((x & 1n) << 255n), 32);
}

/** A whole number as so many little-endian bytes. */
export function littleEndianBytes(value: bigint, length: number): Uint8Array {
  return Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex').reverse();
}

/** Little-endian bytes as a whole number. */
export function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex') || '0'}`);
}

export type PointProblem = 'length' | 'non-canonical encoding' | 'not a point' | 'identity' | 'small order' | 'torsion component';

/** RFC 8032 section 5.1.3; a problem for anything but a canonical encoding. */
export function decodePoint(bytes: Uint8Array): Point | PointProblem {
  if (bytes.length !== 32) return 'length';
  const encoded = littleEndian(bytes);
  const sign = encoded >> 255n;
  const y = encoded & (2n ** 255n - 1n);
  if (y >= P) return 'non-canonical encoding';
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  // RFC 8032 section 5.1.3, step 2: x = u·v³·(u·v⁷)^((p−5)/8), times √−1 if its square has the other sign.
  const v3 = mod(v * v * v);
  let x = mod(u * v3 * power(mod(u * v3 * v3 * v), (P - 5n) / 8n));
  const square = mod(v * x * x);
  if (square === mod(-u)) x = mod(x * I);
  else if (square !== u) return 'not a point';
  if (x === 0n && sign === 1n) return 'non-canonical encoding';
  if ((x & 1n) !== sign) x = mod(-x);
  return pointOf(x, y);
}

/** Why 32 bytes are not the canonical encoding of a point of exact order L; undefined if they are. */
export function pointProblem(bytes: Uint8Array): PointProblem | undefined {
  const point = decodePoint(bytes);
  if (typeof point === 'string') return point;
  if (isIdentity(point)) return 'identity';
  if (isIdentity(multiply(point, 8n))) return 'small order';
  return isIdentity(multiply(point, L)) ? undefined : 'torsion component';
}
