import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { MizuError } from '../../../engine/contract/errors.ts';
import { checkPublicKey, generateSeed, signerFromSeed, verifyStrict, verifyStrictAside } from '../../../engine/proof/ed25519.ts';
import { openKeyFile } from '../../../engine/proof/key-file.ts';
import { fromHex, toHex, utf8 } from '../../../engine/proof/sha256.ts';
import { describeVectors, everyCase } from '../../support/vectors.ts';

interface Vector {
  readonly key: string;
  readonly sig: string;
  readonly strict: boolean;
  readonly keyProblem: string | null;
}

function judge(one: Vector, message: Uint8Array): void {
  expect(checkPublicKey(fromHex(one.key)) ?? null).toBe(one.keyProblem);
  expect(verifyStrict(fromHex(one.key), message, fromHex(one.sig))).toBe(one.strict);
}

describe('a signature that was made in this process', () => {
  const flip = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, n) => (n === at ? byte ^ 1 : byte));

  test('holds, and nothing does that differs from it in a byte of key, message or signature', () => {
    const signer = signerFromSeed(generateSeed());
    const message = utf8('what was said');
    const signature = signer.sign(message);
    expect(verifyStrict(signer.publicKey, message, signature)).toBe(true);
    for (let n = 0; n < signature.length; n++) expect(verifyStrict(signer.publicKey, message, flip(signature, n))).toBe(false);
    for (let n = 0; n < message.length; n++) expect(verifyStrict(signer.publicKey, flip(message, n), signature)).toBe(false);
    for (let n = 0; n < 32; n++) expect(verifyStrict(flip(signer.publicKey, n), message, signature)).toBe(false);
    // The parts stand beside each other in what is remembered: none may pass for a piece of the next.
    expect(verifyStrict(signer.publicKey, message.subarray(1), Buffer.concat([signature, message.subarray(0, 1)]))).toBe(false);
    const stranger = signerFromSeed(generateSeed());
    expect(verifyStrict(stranger.publicKey, message, signature)).toBe(false);
  });

  test('holds as well when many others have been made since', () => {
    const signer = signerFromSeed(generateSeed());
    const first = signer.sign(utf8('first'));
    for (let n = 0; n < 5_000; n++) signer.sign(utf8(String(n)));
    expect(verifyStrict(signer.publicKey, utf8('first'), first)).toBe(true);
    expect(verifyStrict(signer.publicKey, utf8('0'), first)).toBe(false);
  });
});

describeVectors<{ vectors: (Vector & { number: number; msg: string })[] }>('ed25519/cctv.json', (data) => {
  test('each of the 914 edge cases gets the verdict of the strict predicate', async () => {
    everyCase(
      data.vectors,
      (one) => String(one.number),
      (one) => judge(one, utf8(one.msg)),
    );
    expect(data.vectors.length).toBe(914);
    const aside = data.vectors.map(({ key, sig, msg }) => verifyStrictAside(fromHex(key), utf8(msg), fromHex(sig)));
    expect(await Promise.all(aside)).toEqual(data.vectors.map(({ strict }) => strict));
  });
});

describeVectors<{ cases: (Vector & { id: string; why: string; msgHex: string })[] }>('ed25519/edges.json', (data) => {
  test('ordinary and edge cases get the verdict of the strict predicate', () => {
    everyCase(
      data.cases,
      (one) => `${one.id} ${one.why}`,
      (one) => judge(one, fromHex(one.msgHex)),
    );
  });
});

describe('signers', () => {
  test('a seed always gives the same key and signature, and they verify', () => {
    // RFC 8032 section 7.1, test 2.
    const signer = signerFromSeed(fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'));
    expect(toHex(signer.publicKey)).toBe('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c');
    const signature = signer.sign(Uint8Array.of(0x72));
    expect(toHex(signature).slice(0, 32)).toBe('92a009a9f0d4cab8720e820b5f642540');
    expect(verifyStrict(signer.publicKey, Uint8Array.of(0x72), signature)).toBe(true);
    expect(verifyStrict(signer.publicKey, Uint8Array.of(0x73), signature)).toBe(false);
    expect(() => signerFromSeed(new Uint8Array(31))).toThrow(/32 bytes/);
  });
  test('fresh seeds differ and give good keys', () => {
    const [a, b] = [generateSeed(), generateSeed()];
    expect(toHex(a)).not.toBe(toHex(b));
    expect(checkPublicKey(signerFromSeed(a).publicKey)).toBeUndefined();
  });
});

describe('key files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mizu-keys-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('a key is made once, for its owner alone, and is the same ever after', () => {
    const path = join(folder, 'new', 'node.pem');
    const first = openKeyFile(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(toHex(openKeyFile(path).publicKey)).toBe(toHex(first.publicKey));
    expect(readdirSync(join(folder, 'new'))).toEqual(['node.pem']);
    const message = utf8('x');
    expect(toHex(sign(null, message, createPrivateKey(readFileSync(path)))) === toHex(first.sign(message))).toBe(true);
  });
  test('a key that others may read is refused, with what to do', () => {
    const path = join(folder, 'open.pem');
    openKeyFile(path);
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(path, mode);
      expect(() => openKeyFile(path)).toThrow(/others may read/);
    }
    try {
      openKeyFile(path);
    } catch (error) {
      expect(error instanceof MizuError && error.hint).toContain(`chmod 600 ${path}`);
    }
  });
  test('what is no Ed25519 key is refused, stays as it is, and never shows in the error', () => {
    const rsa = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    for (const [name, text] of [
      ['ec.pem', rsa],
      ['empty.pem', ''],
      ['text.pem', 'SECRET-TEXT'],
      ['cut.pem', '-----BEGIN PRIVATE KEY-----\nSECRET'],
    ] as const) {
      const path = join(folder, name);
      writeFileSync(path, text, { mode: 0o600 });
      try {
        openKeyFile(path);
        expect.fail('accepted');
      } catch (error) {
        expect(error instanceof MizuError && error.code).toBe('KEY_INVALID');
        expect(JSON.stringify([String(error), (error as MizuError).hint])).not.toMatch(/SECRET|MIGH/);
        expect((error as MizuError).cause).toBeUndefined();
      }
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
    expect(() => openKeyFile(folder)).toThrow(MizuError);
  });
});
