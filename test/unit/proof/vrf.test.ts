import { describe, expect, test } from 'vitest';
import { signerFromSeed } from '../../../engine/proof/ed25519.ts';
import { fromHex, toHex, utf8 } from '../../../engine/proof/sha256.ts';
import { vrfProve, vrfVerify } from '../../../engine/proof/vrf.ts';
import { describeVectors, everyCase } from '../../support/vectors.ts';

interface Good {
  readonly example?: number;
  readonly id?: string;
  readonly sk: string;
  readonly pk: string;
  readonly alpha: string;
  readonly pi: string;
  readonly beta: string;
}
interface Judged {
  readonly id: string;
  readonly why: string;
  readonly pk: string;
  readonly alpha: string;
  readonly pi: string;
  readonly expect: 'accept' | 'reject' | 'either';
  readonly beta?: string;
  readonly betaClaimed?: string;
}

function checkGood(one: Good): void {
  const { proof, beta } = vrfProve(fromHex(one.sk), fromHex(one.alpha));
  expect([toHex(proof), toHex(beta)]).toEqual([one.pi, one.beta]);
  const verified = vrfVerify(fromHex(one.pk), fromHex(one.alpha), fromHex(one.pi));
  expect(verified && toHex(verified)).toBe(one.beta);
}

function checkJudged(one: Judged): void {
  const beta = vrfVerify(fromHex(one.pk), fromHex(one.alpha), fromHex(one.pi));
  const claimed = one.betaClaimed ?? one.beta;
  const accepted = beta !== undefined && (claimed === undefined || toHex(beta) === claimed);
  if (one.expect !== 'either') expect(accepted ? 'accept' : 'reject').toBe(one.expect);
}

describeVectors<{ examples: Good[] }>('vrf/rfc9381-tai.json', (data) => {
  test("the RFC's examples come out byte for byte", () => {
    everyCase(data.examples, (one) => String(one.example), checkGood);
  });
});

describeVectors<{ good: Good[]; bad: Judged[]; other: Judged[] }>('vrf/generated.json', (data) => {
  test('more proofs come out byte for byte', () => {
    everyCase(data.good, (one) => one.id ?? '', checkGood);
  });
  test('a proof or output that is not good is refused; debatable ones get a verdict', () => {
    everyCase([...data.bad, ...data.other], (one) => `${one.id} ${one.why}`, checkJudged);
  });
});

describe('verifiable random function', () => {
  test('one key and input have one output, and a proof is good for no other input or key', () => {
    const seed = new Uint8Array(32).fill(5);
    const { publicKey } = signerFromSeed(seed);
    const { proof, beta } = vrfProve(seed, utf8('task 1'));
    expect(toHex(vrfVerify(publicKey, utf8('task 1'), proof) ?? new Uint8Array(0))).toBe(toHex(beta));
    expect(vrfVerify(publicKey, utf8('task 2'), proof)).toBeUndefined();
    expect(vrfVerify(signerFromSeed(new Uint8Array(32).fill(6)).publicKey, utf8('task 1'), proof)).toBeUndefined();
    expect(vrfVerify(publicKey, utf8('task 1'), proof.subarray(1))).toBeUndefined();
  });
});
