import { describe, expect, test } from 'vitest';
import { formatCheckpoint } from '../../../engine/proof/checkpoint.ts';
import { signerFromSeed } from '../../../engine/proof/ed25519.ts';
import { inclusionPath, leafHash, rootOf } from '../../../engine/proof/merkle.ts';
import { noteKey, parseVkey, signNote } from '../../../engine/proof/note.ts';
import { fromHex, toHex, utf8 } from '../../../engine/proof/sha256.ts';
import { formatTlogProof, parseTlogProof, verifyTlogProof } from '../../../engine/proof/tlog-proof.ts';
import { describeVectors, everyCase, vectors } from '../../support/vectors.ts';

interface ProofCase {
  readonly id: string;
  readonly why: string;
  readonly expect: 'accept' | 'reject' | 'either';
  readonly proof: string;
  readonly leafHex: string;
  readonly quorum: number;
  readonly index?: number;
  readonly extraHex?: string;
}

describeVectors<{ vkey: string; witness: string; cases: ProofCase[] }>('tlog-proof/proofs.json', (data) => {
  test('every proof file gets its verdict, good ones are written as they were read', () => {
    const key = parseVkey(data.vkey);
    const witnesses = [parseVkey(data.witness)];
    everyCase(
      data.cases,
      (one) => `${one.id} ${one.why}`,
      (one) => {
        let got: 'accept' | 'reject' = 'accept';
        try {
          const proof = verifyTlogProof(one.proof, fromHex(one.leafHex), { key, witnesses, quorum: one.quorum });
          if (one.expect === 'accept') {
            expect(Number(proof.index)).toBe(one.index);
            expect(proof.extra === undefined ? undefined : toHex(proof.extra)).toBe(one.extraHex);
            expect(formatTlogProof(parseTlogProof(one.proof))).toBe(one.proof);
          }
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 'PROOF_INVALID')) throw error;
          got = 'reject';
        }
        if (one.expect !== 'either') expect(got).toBe(one.expect);
      },
    );
  });
  test("the specification's illustration, whose signatures are left out, is refused", () => {
    const published = vectors<{ tlogProofShapeOnly: { text: string } }>('note/published.json');
    expect(() => parseTlogProof(published.tlogProofShapeOnly.text)).toThrow(/Not a/);
  });
});

describe('portable proofs', () => {
  test('a proof that we wrote verifies offline for its entry and no other, with its extra bytes', () => {
    const signer = signerFromSeed(new Uint8Array(32).fill(9));
    const key = noteKey('mizu.test/log', signer.publicKey);
    const entries = Array.from({ length: 11 }, (_, n) => utf8(`entry ${n}`));
    const leaves = entries.map(leafHash);
    const checkpoint = signNote(formatCheckpoint({ origin: 'mizu.test/run/1', size: 11n, root: rootOf(leaves) }), [
      { name: key.name, signer },
    ]);
    const policy = { key, origin: 'mizu.test/run/1' };
    entries.forEach((entry, index) => {
      const text = formatTlogProof({ index: BigInt(index), path: inclusionPath(leaves, index), checkpoint, extra: utf8('{"block":3}') });
      const verified = verifyTlogProof(text, entry, policy);
      expect(Buffer.from(verified.extra ?? []).toString()).toBe('{"block":3}');
      expect(() => verifyTlogProof(text, utf8('another'), policy)).toThrow(/does not lead/);
      expect(() => verifyTlogProof(text, entry, { key })).toThrow(/not of/);
    });
  });
  test('a path longer than any tree is refused while it is read', () => {
    const note = signNote('x\n', [{ name: 'mizu.test/log', signer: signerFromSeed(new Uint8Array(32).fill(9)) }]);
    const file = (hashes: number): string =>
      formatTlogProof({ index: 0n, path: Array.from({ length: hashes }, () => leafHash(utf8(''))), checkpoint: note });
    expect(parseTlogProof(file(63)).path.length).toBe(63);
    expect(() => parseTlogProof(file(64))).toThrow(/at most 63/);
  });
});
