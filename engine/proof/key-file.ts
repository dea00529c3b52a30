/**
 * Key files: an Ed25519 private key as PKCS#8 PEM, made on first use, readable by its owner alone. A file that others could have
 * read is refused, as whoever reads it can sign in our name. No error ever holds key material.
 */
import { closeSync, fchmodSync, fstatSync, fsyncSync, linkSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, MizuError } from '../contract/errors.ts';
import { makeFolder } from '../contract/make-folder.ts';
import type { Signer } from '../contract/signer.ts';
import { generateSeed, pemOfSeed, signerFromPem } from './ed25519.ts';
import { toHex } from './sha256.ts';

const OWNER_ONLY = 0o600;
const GROUP_AND_OTHERS = 0o077;
/** A PEM of an Ed25519 key has about 120 bytes. */
const KEY_FILE_LIMIT_BYTES = 4096;

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/**
 * The signer of the key file, which is made first if there is none (also by several processes at once: one of them wins).
 * @throws KEY_INVALID when others may read it or it holds no Ed25519 key, FILE_UNREADABLE, FILE_UNWRITABLE.
 */
export function openKeyFile(path: string): Signer {
  const existing = readKeyFile(path);
  if (existing !== undefined) return existing;
  makeKeyFile(path);
  const made = readKeyFile(path);
  if (made === undefined) throw new MizuError('FILE_UNREADABLE', `Key file ${path} was made and is gone again`);
  return made;
}

/** The signer of an existing key file; undefined if there is none. */
export function readKeyFile(path: string): Signer | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new MizuError('FILE_UNREADABLE', `Key file ${path} can't be read: ${messageOf(error)}`, { cause: error });
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new MizuError('KEY_INVALID', `Key file ${path} is not a file`);
    // Windows has no such mode bits.
    if (process.platform !== 'win32' && (stat.mode & GROUP_AND_OTHERS) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
      throw new MizuError('KEY_INVALID', `Key file ${path} has mode ${mode}: others may read or change it`, {
        hint: `Make it yours alone: chmod 600 ${path}. If someone else may have read it, delete it, and a new key is made.`,
      });
    }
    if (stat.size > KEY_FILE_LIMIT_BYTES) throw notAKey(path);
    const signer = signerFromPem(readFileSync(file, 'utf8'));
    if (signer === undefined) throw notAKey(path);
    return signer;
  } finally {
    closeSync(file);
  }
}

function notAKey(path: string): MizuError {
  return new MizuError('KEY_INVALID', `Key file ${path} holds no Ed25519 private key`, {
    hint: "Expected PKCS#8 PEM ('-----BEGIN PRIVATE KEY-----'), as `openssl genpkey -algorithm ed25519` writes it.",
  });
}

/** Writes under another name and links: a reader sees no key or a whole one, and an existing key is never replaced. */
function makeKeyFile(path: string): void {
  const draft = `${path}.${process.pid}.${toHex(generateSeed()).slice(0, 16)}.new`;
  try {
    makeFolder(dirname(path), 0o700);
    const file = openSync(draft, 'wx', OWNER_ONLY);
    try {
      fchmodSync(file, OWNER_ONLY);
      writeSync(file, pemOfSeed(generateSeed()));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    try {
      linkSync(draft, path);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    } finally {
      unlinkSync(draft);
    }
    syncFolder(dirname(path));
  } catch (error) {
    throw new MizuError('FILE_UNWRITABLE', `Key file ${path} can't be made: ${messageOf(error)}`, { cause: error });
  }
}

function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
