/** The determinism vectors: their file is what this code gives, a wrong one is found and named to the element, and the signed result can't be changed. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Json } from '#engine';
import { signerFromSeed } from '#engine';
import { isDoctorStatement, readVectors, runVectors, signDoctor, verifyDoctor } from '#topologies';
import { firstDifference } from '../../../topologies/determinism/first-difference.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { ED25519_EDGES } from '../../vectors/ed25519-edges.ts';
import { VECTORS_FILE, vectorsText } from '../../vectors/make.ts';

interface VectorsJson {
  about: string;
  vectors: { family: string; name: string; input: Json; expected: Json }[];
}

const committed = readFileSync(VECTORS_FILE, 'utf8');
const parsed = (): VectorsJson => JSON.parse(committed) as VectorsJson;

describe('the published vectors', () => {
  it('are what `npm run vectors` writes (look at the difference, then write them again when this fails)', async () => {
    // Two large texts: whether they are equal, not where.
    expect((await vectorsText()) === committed).toBe(true);
  });

  it('hold what is known from elsewhere', () => {
    const expected = (family: string): Json => parsed().vectors.find((one) => one.family === family)?.expected ?? null;
    // RFC 8785, appendix B.
    expect(expected('print numbers')).toEqual(expect.arrayContaining(['0', '5e-324', '-5e-324', '0.1', '0.3333333333333333']));
    expect(
      parsed()
        .vectors.filter(({ family }) => family === 'ed25519')
        .map((one) => one.expected),
    ).toEqual(ED25519_EDGES.map(([why]) => why === 'good'));
    expect(
      parsed()
        .vectors.filter(({ name }) => name.startsWith('the double'))
        .map((one) => one.expected),
    ).toEqual([...Array.from({ length: 4 }, () => '000000000000f87f'), '0000000000000080', '000000000000f0ff']);
  });
});

describe('a machine that computes otherwise', () => {
  it('is told the first wrong element, with what was expected and what it got', async () => {
    const planted = parsed();
    const numbers = planted.vectors.find(({ family }) => family === 'print numbers');
    if (numbers === undefined || !Array.isArray(numbers.expected)) return expect.fail('there are numbers');
    numbers.expected = numbers.expected.map((text: Json, n) => (n === 9 ? '0.10000000000000001' : text));
    const file = join(scratchFolder(), 'planted.json');
    writeFileSync(file, JSON.stringify(planted));
    const { wrong, counts } = await runVectors(readVectors(file));
    expect(wrong).toEqual([{ family: 'print numbers', name: 'edges', at: '[9]', expected: '0.10000000000000001', got: '0.1' }]);
    expect(Object.values(counts).reduce((sum, n) => sum + n)).toBeGreaterThan(150);
    expect(counts['simulators']).toBe(2);
  });

  it.each([
    [{ a: [1, { b: 2 }] }, { a: [1, { b: 3 }] }, { at: 'a[1].b', expected: 2, got: 3 }],
    [[1], [1, 2], { at: '[1]', expected: undefined, got: 2 }],
    [{ a: 1 }, [1], { at: '', expected: { a: 1 }, got: [1] }],
    [null, { a: 1 }, { at: '', expected: null, got: { a: 1 } }],
    [[1, 'a'], [1, 'a'], undefined],
  ])('finds where %j and %j differ', (expected, got, difference) => {
    expect(firstDifference(expected, got)).toEqual(difference);
  });

  it.each(['{}', 'no json', '{"about":"","vectors":[]}'])('is not judged by a file that holds no vectors: %s', (text) => {
    const file = join(scratchFolder(), 'bad.json');
    writeFileSync(file, text);
    expect(() => readVectors(file)).toThrowError(expect.objectContaining({ code: 'INPUT_INVALID' }));
  });
});

describe('the signed result', () => {
  const signer = signerFromSeed(new Uint8Array(32).fill(7));
  const findings = { mizu: '1', node: '2', platform: 'x', vectors: 3, wrong: [{ family: 'a', name: 'b' }], mayBeNode: false };
  const envelope = Buffer.from(signDoctor('ab'.repeat(32), findings, signer));

  it('says what was found, under the key that signed', () => {
    expect(isDoctorStatement(envelope)).toBe(true);
    expect(verifyDoctor(envelope, signer.publicKey)).toMatchObject({ vectors: 'ab'.repeat(32), findings });
  });

  it('is refused when another key should have signed, or a byte of it was changed', () => {
    expect(() => verifyDoctor(envelope, signerFromSeed(new Uint8Array(32).fill(8)).publicKey)).toThrowError(/0 of 1 trusted keys/);
    const { payload, ...rest } = JSON.parse(envelope.toString()) as { payload: string };
    const forged = Buffer.from(payload, 'base64').toString().replace('"mayBeNode":false', '"mayBeNode":true');
    const changed = Buffer.from(JSON.stringify({ ...rest, payload: Buffer.from(forged).toString('base64') }));
    expect(() => verifyDoctor(changed, signer.publicKey)).toThrowError(/0 of 1 trusted keys/);
  });
});
