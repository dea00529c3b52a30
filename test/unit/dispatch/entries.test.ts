/** Entries of control and results are signed, bound to their run, and refused by topic and offset when they are not what they should be. */
import { describe, expect, it } from 'vitest';
import { offset } from '#engine';
import { decodeControl, decodeResult, encodeSigned, readEntry, verifySigned } from '../../../engine/dispatch/signed-entry.ts';
import type { ControlBody } from '../../../engine/dispatch/control-entry.ts';
import type { ResultBody } from '../../../engine/dispatch/member-entry.ts';
import { offer } from './control-tools.ts';
import { signerFromSeed } from '../../../engine/proof/ed25519.ts';
import { canonicalBytes } from '../../../engine/proof/jcs.ts';

const signer = signerFromSeed(new Uint8Array(32).fill(3));
const hex = 'a'.repeat(64);

const OFFER = offer({ slots: 2, models: ['m'], memory: 512 });

const COST = { gas: 3, localBytes: 2, globalBytes: 1 };
const TOTALS = { candidates: 8, accepted: 1, corrected: 0, duplicates: 1, failed: 2, rejected: { rule: 4 }, ...COST };

const CONTROL: readonly ControlBody[] = [
  { type: 'open', owner: 'host:1', key: hex },
  { type: 'cut', k: 1, branch: 0, first: 8, count: 8, ranges: [[0, 8, 16]] },
  { type: 'assign', k: 1, attempt: 0, node: 2, deadline: 7 },
  { type: 'lease', stage: 1, partition: 0, epoch: 1, node: 0 },
  { type: 'admit', node: 3, member: 'host/1', incarnation: 'f00', key: hex, offer: OFFER, request: 4 },
  { type: 'lost', node: 3, reason: 'silent' },
  { type: 'appoint', role: 'gateway', epoch: 2, node: 3 },
  { type: 'mode', mode: 'draining', by: 'someone', request: 9 },
  { type: 'settings', nodes: 4, deadlineMs: 60_000, request: 10 },
  { type: 'confirm', k: 1, attempt: 1, node: 2, accepted: 0, equal: true },
  { type: 'tick', tick: 3 },
  {
    type: 'mark',
    published: 3,
    totals: TOTALS,
    stages: [{ ...COST, duplicates: 1, failed: 2 }],
    members: [{ ...COST, member: 'a' }],
    results: [7],
  },
  { type: 'accept', k: 1, attempt: 0, node: 2, result: hex },
  { type: 'dead', k: 1, attempt: 0, reason: 'WORKER_DIED' },
  { type: 'probe', k: 1, probe: 0, from: 0, to: 4, node: 1 },
  { type: 'probed', k: 1, probe: 0, outcome: 'died' },
  { type: 'poison', k: 1, i: 3 },
  { type: 'finish', last: -1, reason: 'exhausted' },
  { type: 'close', summary: { any: [1, 'thing'] } },
];

const counts = { accepted: 1, duplicates: 0, failed: 0, rejected: { rule: 2 } };
const RESULTS: readonly ResultBody[] = [
  { type: 'task', k: 1, attempt: 0, node: 0, candidates: 8, corrected: 1, failed: 2, gas: 9, localBytes: 5, globalBytes: 6, leaves: hex },
  { type: 'step', stage: 1, partition: 0, k: 1, epoch: 0, node: 0, ...counts, gas: 1, globalBytes: 2, reached: false },
  { type: 'failed-attempt', k: 1, attempt: 0, node: 0, code: 'WORKER_DIED', message: 'exit code 3' },
  { type: 'probe-result', k: 1, probe: 0, node: 0, code: '', message: '' },
];

const signed = (body: unknown): Uint8Array =>
  canonicalBytes(JSON.parse(JSON.stringify({ body, sig: Buffer.alloc(64).toString('base64') })));
const entryAt = (value: Uint8Array, at = 17) => ({ offset: offset(at), key: undefined, value, headers: {} });

describe('an entry', () => {
  it('of every kind comes back as it was written, and its signature holds for its run only', () => {
    for (const body of CONTROL) {
      const entry = decodeControl(encodeSigned('mizu-control-v1', 'w/1', body, signer));
      expect(entry.body).toEqual(body);
      expect(verifySigned('mizu-control-v1', 'w/1', entry, signer.publicKey)).toBe(true);
      expect(verifySigned('mizu-control-v1', 'w/2', entry, signer.publicKey)).toBe(false);
      expect(verifySigned('mizu-result-v1', 'w/1', entry, signer.publicKey)).toBe(false);
    }
    for (const body of RESULTS) expect(decodeResult(encodeSigned('mizu-result-v1', 'w/1', body, signer)).body).toEqual(body);
  });

  it.each([
    ['a number that is no whole number', { type: 'tick', tick: 1.5 }],
    ['a negative number', { type: 'cut', k: -1, branch: 0, first: 0, count: 1, ranges: [] }],
    ['a field that is missing', { type: 'assign', k: 1, attempt: 0, node: 0 }],
    ['a field too many', { type: 'tick', tick: 1, more: 1 }],
    ['an unknown type', { type: 'unknown' }],
    ['an unknown outcome', { type: 'probed', k: 0, probe: 0, outcome: 'perhaps' }],
    ['no object', 'tick'],
  ])('with %s is corrupt, at its topic, partition and offset', (_what, body) => {
    expect(() => readEntry(decodeControl, 'w.1.control', 0, entryAt(signed(body)))).toThrow(
      expect.objectContaining({ code: 'LOG_CORRUPT', message: expect.stringContaining('w.1.control, partition 0, offset 17: ') }),
    );
    expect(() => readEntry(decodeResult, 'w.1.results', 4, entryAt(signed(body)))).toThrow(/w\.1\.results, partition 4, offset 17: /);
  });

  it('that is no signed JSON is corrupt', () => {
    for (const text of ['', '{', '[]', '{"body":{"type":"tick","tick":1}}', '{"body":{"type":"tick","tick":1},"sig":7}']) {
      expect(() => readEntry(decodeControl, 't', 0, entryAt(Buffer.from(text)))).toThrow(expect.objectContaining({ code: 'LOG_CORRUPT' }));
    }
  });
});
