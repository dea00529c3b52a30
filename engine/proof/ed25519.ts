/**
 * Ed25519 (RFC 8032) with one verdict on every platform (law 1): Node versions disagree on odd keys and signatures. Accepted iff
 * the key is the canonical encoding of a point of exact order L, the signature is 64 bytes R ‖ S with S < L, R is not of
 * small order, and [S]B − [k]A encodes to the bytes of R (cofactorless; this last step is node:crypto's).
 */
import type { KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import { MizuError } from '../contract/errors.ts';
import type { Signer } from '../contract/signer.ts';
import { L, littleEndian, pointProblem } from './edwards.ts';
import { equalBytes, sha256, toHex } from './sha256.ts';

export const PUBLIC_KEY_BYTES = 32;
export const SEED_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** Keys whose check is remembered; judging one takes about a millisecond. */
const KEY_CACHE_LIMIT = 1024;

/** Signatures that were made in this process and are not checked by the equation again, as long as they are among the last so many. */
const OWN_SIGNATURES_LIMIT = 4096;

/** DER before the 32 bytes of a key: SubjectPublicKeyInfo and PKCS#8 (RFC 8410 sections 4 and 7). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Encoding of the identity, the only R of small order that passes the other steps. */
const IDENTITY_BYTES = Uint8Array.from({ length: 32 }, (_, n) => (n === 0 ? 1 : 0));

/** Beside their signers and not in them, so that nothing that is shown or copied of a signer holds a key. */
const keys = new WeakMap<Signer, KeyObject>();

interface CheckedKey {
  readonly problem: string | undefined;
  readonly key: KeyObject | undefined;
}

/** By hexadecimal key, in order of use: the oldest goes first. Owned by this module. */
const checkedKeys = new Map<string, CheckedKey>();

function check(publicKey: Uint8Array): CheckedKey {
  if (publicKey.length !== PUBLIC_KEY_BYTES) return { problem: 'length', key: undefined };
  const name = toHex(publicKey);
  let checked = checkedKeys.get(name);
  if (checked === undefined) {
    const problem = pointProblem(publicKey);
    const der = Buffer.concat([SPKI_PREFIX, publicKey]);
    checked = { problem, key: problem === undefined ? createPublicKey({ key: der, format: 'der', type: 'spki' }) : undefined };
  } else checkedKeys.delete(name);
  checkedKeys.set(name, checked);
  if (checkedKeys.size > KEY_CACHE_LIMIT) {
    const [oldest] = checkedKeys.keys();
    if (oldest !== undefined) checkedKeys.delete(oldest);
  }
  return checked;
}

/** Why a public key is refused ('length', 'non-canonical encoding', 'not a point', 'identity', 'small order', 'torsion component'); undefined if it is good. */
export function checkPublicKey(publicKey: Uint8Array): string | undefined {
  return check(publicKey).problem;
}

/** SHA-256 of key, signature and message of what was signed here, in order of use: roles of one process read what each other has signed. Owned by this module. */
const ownSignatures = new Set<string>();

const signatureName = (publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): string =>
  toHex(sha256(publicKey, signature, message));

function remember(name: string): void {
  ownSignatures.add(name);
  if (ownSignatures.size <= OWN_SIGNATURES_LIMIT) return;
  const [oldest] = ownSignatures;
  if (oldest !== undefined) ownSignatures.delete(oldest);
}

/** The strict predicate. Never throws: a bad key is a bad signature. */
export function verifyStrict(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = keyUnlessMalformed(publicKey, signature);
  if (key === undefined) return false;
  return ownSignatures.has(signatureName(publicKey, signature, message)) || verify(null, message, key, signature);
}

/** The same on a thread of Node's pool, which `message` and `signature` must not change under. Never rejects. */
export function verifyStrictAside(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const key = keyUnlessMalformed(publicKey, signature);
  if (key === undefined) return Promise.resolve(false);
  return new Promise((resolve) => verify(null, message, key, signature, (error, holds) => resolve(error === null && holds)));
}

/** The key, if the verdict is left to the equation. */
function keyUnlessMalformed(publicKey: Uint8Array, signature: Uint8Array): KeyObject | undefined {
  if (signature.length !== SIGNATURE_BYTES) return undefined;
  if (equalBytes(signature.subarray(0, 32), IDENTITY_BYTES)) return undefined;
  if (littleEndian(signature.subarray(32)) >= L) return undefined;
  return check(publicKey).key;
}

function signerOf(privateKey: KeyObject): Signer {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const publicKey = spki.subarray(spki.length - PUBLIC_KEY_BYTES);
  const signer: Signer = {
    publicKey,
    sign: (message) => {
      const signature = sign(null, message, privateKey);
      remember(signatureName(publicKey, signature, message));
      return signature;
    },
  };
  keys.set(signer, privateKey);
  return signer;
}

/** The 32 secret bytes of a signer that was made here, for the VRF under the same key; undefined for one whose key is kept elsewhere. */
export function seedOf(signer: Signer): Uint8Array | undefined {
  const { d } = keys.get(signer)?.export({ format: 'jwk' }) ?? {};
  return d === undefined ? undefined : Buffer.from(d, 'base64url');
}

/** The signer of a 32-byte seed (RFC 8032 section 5.1.5). @throws KEY_INVALID for another length. */
export function signerFromSeed(seed: Uint8Array): Signer {
  if (seed.length !== SEED_BYTES) throw new MizuError('KEY_INVALID', `An Ed25519 seed has ${SEED_BYTES} bytes, not ${seed.length}`);
  return signerOf(createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' }));
}

/** 32 random bytes. */
export function generateSeed(): Uint8Array {
  return randomBytes(SEED_BYTES);
}

/** PKCS#8 PEM of a seed. */
export function pemOfSeed(seed: Uint8Array): string {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}

/** The signer of a PKCS#8 PEM text; undefined if it holds no Ed25519 private key. The text never appears in an error. */
export function signerFromPem(pem: string): Signer | undefined {
  if (!pem.startsWith('-----BEGIN PRIVATE KEY-----')) return undefined;
  try {
    const key = createPrivateKey({ key: pem, format: 'pem', type: 'pkcs8' });
    return key.asymmetricKeyType === 'ed25519' ? signerOf(key) : undefined;
  } catch {
    return undefined;
  }
}
