/** `mizu verify FILE.json`: what a person sees of one attestation, and each thing that can be wrong with it, by name (laws 7, 10). */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import {
  type Attestation,
  attestationKey,
  canonicalJson,
  parseStrictJson,
  sha256,
  signAttestation,
  signerFromSeed,
  signStatement,
  statement,
  toHex,
  utf8,
} from '#engine';
import { verify, type VerifyOptions } from '../../cli/commands/verify.ts';
import { Context, type Outcome } from '../../cli/context.ts';
import { renderError } from '../../cli/render-error.ts';
import { mizu } from '../support/cli.ts';
import { rejection } from '../support/log-tools.ts';
import { completion } from '../support/model-peer.ts';
import { scratchFolder } from '../support/scratch.ts';

const DIR = scratchFolder();
const [SIGNER, STRANGER] = [1, 2].map((n) => signerFromSeed(new Uint8Array(32).fill(n)));
const BODY = completion('smollm2', 'It leaks.');
const ATTESTATION: Attestation = {
  network: 'net/gateway/default',
  step: 'alice/ticket-1',
  opDigest: sha256(utf8('op')),
  candidate: 0,
  draw: 0,
  model: { name: 'small', asked: 'smollm2', answered: 'smollm2' },
  request: utf8('{"messages":[{"content":"Complain about a kettle.","role":"user"}],"model":"small"}'),
  response: utf8(BODY),
  outcome: { kind: 'answer' },
  status: 200,
  finishReason: 'stop',
  usage: { promptTokens: 11, completionTokens: 7, totalTokens: 18 },
};
const KEY = toHex(SIGNER?.publicKey ?? new Uint8Array(0));

function file(name: string, content: string | Uint8Array): string {
  const path = join(DIR, name);
  writeFileSync(path, content);
  return path;
}
const signed = (attestation: Attestation, signer = SIGNER): Uint8Array =>
  signer === undefined ? new Uint8Array(0) : signAttestation(attestation, signer);
/** The envelope with something in its statement replaced: the signature stays, or the gateway's own key signs again. */
function changed(from: string, to: string, again = false): string {
  const { payload, ...rest } = parseStrictJson(signed(ATTESTATION)) as { readonly payload: string };
  const text = Buffer.from(payload, 'base64').toString();
  const other = text.replaceAll(from, to);
  expect(other).not.toBe(text);
  if (!again || SIGNER === undefined) return canonicalJson({ ...rest, payload: Buffer.from(other).toString('base64') });
  const { subject, predicateType, predicate } = JSON.parse(other);
  return signStatement(statement(subject, predicateType, predicate), [SIGNER]);
}

let good: string;
let response: string;
beforeAll(() => {
  good = file('good.json', signed(ATTESTATION));
  response = file('answer.json', BODY);
});
/** The command in this process. */
const CONTEXT = new Context({ log: DIR, json: true }, () => undefined);
const check = (name: string, options: VerifyOptions = {}): Promise<Outcome> => verify(CONTEXT, name, options);

it('says who signed, what the signature binds, and what was asked and answered', async () => {
  const [known, unknown] = await Promise.all([mizu(['verify', good, '--key', KEY, '--response', response]), mizu(['verify', good])]);
  expect(known.code, known.stderr).toBe(0);
  expect(known.stdout).toContain(`good.json verifies: an answer of model 'small' for 'alice/ticket-1', signed by key ${KEY}`);
  for (const line of [
    /attestation {2}[0-9a-f]{64}/,
    /network {6}net\/gateway\/default/,
    new RegExp(`request {6}SHA-256 ${toHex(sha256(ATTESTATION.request))}, 83 bytes`),
    new RegExp(`response {5}SHA-256 ${toHex(sha256(ATTESTATION.response))}`),
    /draw 0: small \(asked as smollm2\); 11 \+ 7 tokens; finished by stop/,
    /user +Complain about a kettle\./,
    /answer +It leaks\./,
    /answer\.json is the answer that was signed, byte by byte/,
  ])
    expect(known.stdout).toMatch(line);
  expect(known.stdout).not.toContain('taken from the file itself');
  expect(unknown.stdout).toContain('This key was taken from the file itself');
  expect((await check(good)).result).toMatchObject({
    ok: true,
    attestation: toHex(attestationKey(ATTESTATION.network, ATTESTATION)),
    keyGiven: false,
    responseCompared: false,
    model: { name: 'small', asked: 'smollm2', answered: 'smollm2' },
    usage: { promptTokens: 11, completionTokens: 7, totalTokens: 18 },
  });
});

const WRONG: readonly (readonly [string, () => Promise<Outcome>, number, RegExp])[] = [
  [
    'another key',
    () => check(file('other.json', signed(ATTESTATION, STRANGER)), { key: KEY }),
    1,
    /0 of 1 trusted keys signed this envelope/,
  ],
  [
    'changed bytes',
    () => check(file('bytes.json', changed('"answered":"smollm2"', '"answered":"gpt-9"')), { key: KEY }),
    1,
    /0 of 1 trusted keys/,
  ],
  [
    'an answer that is not the one of its digest',
    () => {
      const [from, to] = ['It leaks.', 'It burns.'].map((words) => Buffer.from(completion('smollm2', words)).toString('base64'));
      return check(file('digest.json', changed(from ?? '', to ?? '', true)), { key: KEY });
    },
    1,
    /its response bytes do not have the digest of its subject 'response'/,
  ],
  [
    'an answer that was parsed and written again',
    () => check(good, { key: KEY, response: file('again.json', JSON.stringify(JSON.parse(BODY), null, 1)) }),
    1,
    /again\.json is not the answer that was signed: it has \d+ bytes[\s\S]*try: The signature covers the exact bytes/,
  ],
  [
    'a statement of something else',
    () => check(file('type.json', changed('inference:v1', 'other:v1', true)), { key: KEY }),
    1,
    /its predicate is 'urn:mizu:attestation:other:v1'/,
  ],
  ['no envelope', () => check(file('none.json', '{"payload":"e30="}'), { key: KEY }), 1, /Not a DSSE envelope: 'payloadType' must be text/],
  [
    'a key that is none',
    () => check(good, { key: 'abc' }),
    2,
    /'abc' is no public key, expected 64 hexadecimal digits\n {2}try: A gateway tells its key at GET \/v1\/key/,
  ],
  ["a run's key", () => check(good, { verifierKey: 'x' }), 2, /--verifier-key is for checkpoints of runs/],
  ['a key for a run', () => check('w', { key: KEY }), 2, /--key is for attestations/],
  ['a file that is not there', () => check(join(DIR, 'nowhere.json')), 2, /there is no such file/],
];
it.each(WRONG)('refuses %s by name', async (_what, checked, code, says) => {
  const refused = renderError(await rejection(checked()), false);
  expect(refused.text).toMatch(says);
  expect(refused.exitCode).toBe(code);
});
