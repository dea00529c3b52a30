import { describe, expect, test } from 'vitest';
import type { Json } from '../../../engine/contract/program.ts';
import { pae, parseEnvelope, signEnvelope, verifyEnvelope } from '../../../engine/proof/dsse.ts';
import { signerFromSeed } from '../../../engine/proof/ed25519.ts';
import { checkStatement, parseStatement, signStatement, statement, verifyStatement } from '../../../engine/proof/in-toto.ts';
import { canonicalJson } from '../../../engine/proof/jcs.ts';
import { fromHex, sha256, toHex, utf8 } from '../../../engine/proof/sha256.ts';
import { provenance } from '../../../engine/proof/slsa.ts';
import { describeVectors, everyCase } from '../../support/vectors.ts';

interface EnvelopeCase {
  readonly id: string;
  readonly why: string;
  readonly expect: 'accept' | 'reject' | 'either';
  readonly trustedKeys: string[];
  readonly threshold: number;
  readonly anyPayloadType: boolean;
  readonly envelope: string;
  readonly payloadSha256?: string;
  readonly acceptedKeys?: string[];
}

describeVectors<{ pae: { payloadType: string; bodyHex: string; paeHex: string; sha256: string }[]; envelopes: EnvelopeCase[] }>(
  'dsse/envelopes.json',
  (data) => {
    test('the bytes to sign are the published ones', () => {
      everyCase(
        data.pae,
        (one) => one.payloadType,
        (one) => {
          const bytes = pae(one.payloadType, fromHex(one.bodyHex));
          expect([toHex(bytes), toHex(sha256(bytes))]).toEqual([one.paeHex, one.sha256]);
        },
      );
    });
    test('every envelope gets its verdict', () => {
      everyCase(
        data.envelopes,
        (one) => `${one.id} ${one.why}`,
        (one) => {
          let got: 'accept' | 'reject' = 'accept';
          let why = '';
          try {
            const keys = one.trustedKeys.map(fromHex);
            const verified = verifyEnvelope(one.envelope, keys, one.threshold);
            if (!one.anyPayloadType) verifyStatement(one.envelope, keys, one.threshold);
            if (one.expect === 'accept') {
              expect(toHex(sha256(verified.payload))).toBe(one.payloadSha256);
              expect(verified.keys.map(toHex).sort()).toEqual([...(one.acceptedKeys ?? [])].sort());
            }
          } catch (error) {
            if (!(error instanceof Error && 'code' in error && error.code === 'PROOF_INVALID')) throw error;
            got = 'reject';
            why = String(error);
          }
          if (one.expect !== 'either') expect(`${got} ${got === one.expect ? '' : why}`).toBe(`${one.expect} `);
        },
      );
    });
  },
);

describeVectors<{ payloadType: string; body: string; paeHex: string; envelope: Json }>('dsse/published.json', (data) => {
  test("the specification's example has our bytes to sign, and its envelope reads", () => {
    expect(toHex(pae(data.payloadType, utf8(data.body)))).toBe(data.paeHex);
    expect(Buffer.from(parseEnvelope(canonicalJson(data.envelope)).payload).toString()).toBe(data.body);
  });
});

describeVectors<{ examples: { file: string; statement: Json }[] }>('dsse/statements.json', (data) => {
  test("the specification's statements are well-formed", () => {
    everyCase(
      data.examples,
      (one) => one.file,
      (one) => expect(checkStatement(one.statement)).toBe(one.statement),
    );
  });
});

describe('envelopes and statements', () => {
  const [a, b] = [signerFromSeed(new Uint8Array(32).fill(1)), signerFromSeed(new Uint8Array(32).fill(2))];
  const digest = { sha256: '0'.repeat(64) };

  test('a threshold counts keys, not signatures, and a key that is trusted twice counts once', () => {
    const envelope = signEnvelope('x/y', utf8('body'), [a, a]);
    expect(() => verifyEnvelope(envelope, [a.publicKey, a.publicKey, b.publicKey], 2)).toThrow(/1 of 2 trusted keys/);
    expect(verifyEnvelope(signEnvelope('x/y', utf8('body'), [a, b]), [a.publicKey, b.publicKey], 2).keys.length).toBe(2);
    expect(() => verifyEnvelope(envelope, [a.publicKey], 0)).toThrow(/checks nothing/);
  });
  test('the same provenance has the same bytes, whatever the order of its parts, and holds no clock value', () => {
    const input = {
      subjects: [{ name: 'data.jsonl', sha256: '1'.repeat(64) }],
      buildType: 'https://mizu.test/run/v1',
      externalParameters: { seed: 7, program: 'p' },
      internalParameters: { blocks: 4 },
      resolvedDependencies: [{ name: 'products', digest }],
      builderId: 'https://mizu.test/builder',
      invocationId: 'falling-stacks/1',
    };
    const one = signStatement(provenance(input), [a]);
    const other = signStatement(provenance({ ...input, externalParameters: { program: 'p', seed: 7 } }), [a]);
    expect(other).toBe(one);
    const read = verifyStatement(one, [a.publicKey]);
    expect(read.predicateType).toBe('https://slsa.dev/provenance/v1');
    expect(canonicalJson(read.predicate ?? null)).not.toMatch(/startedOn|finishedOn|time/i);
  });
  test('a statement without a subject digest is not made', () => {
    expect(() => statement([], 'p', {})).toThrow(/subject/);
    expect(() => statement([{ name: 'x', digest: {} }], 'p', {})).toThrow(/digest/);
    expect(() => statement([{ digest: { sha256: 'abc' } }], 'p', {})).toThrow(/sha256/);
    expect(() => statement([{ digest }], '', {})).toThrow(/predicateType/);
    expect(() => parseStatement(utf8('{'))).toThrow(/strict JSON/);
  });
});
