/** Proofs of single records: portable, checked offline, and bound to one record in one run by every field they have (P11). */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  canonicalBytes,
  formatTlogProof,
  fromBase64,
  fromUtf8,
  type Json,
  listDrops,
  MizuError,
  noteKey,
  formatVkey,
  parseVkey,
  parseRecordId,
  parseStrictJson,
  parseTlogProof,
  type ProofReport,
  proveRecord,
  publishedRecords,
  signerFromSeed,
  type TlogProof,
  toBase64,
  verifyProof,
} from '#engine';
import { flipped, withTampered } from '../support/tamper.ts';
import { makeRun, type MadeRun, RUNS, withRun } from '../support/verify-support.ts';
import { rejection } from '../support/log-tools.ts';

const SEED = 20261123;

interface Proved {
  readonly id: string;
  readonly text: string;
  readonly key: string;
}

const made = new Map<string, MadeRun>();
const proofs: Proved[] = [];
/** One of each: published, rejected, failed, duplicate. */
const kinds = new Map<string, Proved>();

async function proveAll(run: MadeRun): Promise<Proved[]> {
  return withRun(run, async (log, deployed) => {
    const ids: string[] = [];
    for await (const { id } of publishedRecords(log, deployed)) ids.push(id);
    for (const kind of ['rejected', 'failed', 'duplicate'] as const)
      for await (const { id } of listDrops(log, deployed, kind)) ids.push(id);
    const all: Proved[] = [];
    for (const id of ids) {
      const { text, verifierKey } = await proveRecord(log, deployed, parseRecordId(id));
      all.push({ id, text, key: verifierKey });
    }
    return all;
  });
}

beforeAll(async () => {
  for (const name of ['streamed', 'counted'] as const) {
    const run = await makeRun(RUNS[name]);
    made.set(name, run);
    const proved = await proveAll(run);
    proofs.push(...proved);
    for (const proof of proved)
      kinds.set(verifyProof(proof.text, proof.key).kind, kinds.get(verifyProof(proof.text, proof.key).kind) ?? proof);
  }
});

const extraOf = (proof: TlogProof): Record<string, Json> => parseStrictJson(proof.extra ?? new Uint8Array(0)) as Record<string, Json>;
const withExtra = (text: string, change: (extra: Record<string, Json>) => Json): string => {
  const proof = parseTlogProof(text);
  return formatTlogProof({ ...proof, extra: canonicalBytes(change(extraOf(proof))) });
};
const failure = (text: string, key: string): MizuError => {
  try {
    verifyProof(text, key);
  } catch (error) {
    if (error instanceof MizuError) return error;
    throw error;
  }
  throw new Error('the proof verifies');
};
const proofOf = (kind: string): Proved => kinds.get(kind) as Proved;

describe('a proof of every record', () => {
  test('every candidate that was published or dropped can be proved, offline, as what it is', async () => {
    expect([...kinds.keys()].sort()).toEqual(['duplicate', 'failed', 'published', 'rejected']);
    const reports = new Map(
      proofs
        .filter(({ key }) => key === made.get('streamed')?.summary.verifierKey)
        .map(({ id, text, key }) => [id, verifyProof(text, key)]),
    );
    await withRun(made.get('streamed') as MadeRun, async (log, run) => {
      for await (const { id, row } of publishedRecords(log, run)) expect(reports.get(id)).toMatchObject({ id, kind: 'published', row });
      for (const kind of ['rejected', 'failed', 'duplicate'] as const) {
        for await (const { id, step, rule, measured, limit, code, message } of listDrops(log, run, kind)) {
          expect(reports.get(id)).toMatchObject({ id, kind, row: undefined, drop: { step, rule, measured, limit, code, message } });
        }
      }
    });
    expect(reports.size).toBe(made.get('streamed')?.summary.candidates);
  });

  test('a record that the run does not have has no proof', async () => {
    await withRun(made.get('counted') as MadeRun, async (log, run) => {
      expect((await rejection(proveRecord(log, run, parseRecordId('w/1/0.99')))).code).toBe('NOT_FOUND');
      expect((await rejection(proveRecord(log, run, parseRecordId('w/1/999.0')))).code).toBe('NOT_FOUND');
    });
  });

  test('a log that was changed gives no proof that does not verify', async () => {
    const { directory, summary } = made.get('counted') as MadeRun;
    const proved = proofs.find((proof) => proof.key === summary.verifierKey && verifyProof(proof.text, proof.key).kind === 'rejected');
    const prove = (change: Parameters<typeof withTampered>[1]) =>
      withTampered(directory, change, async (log, run) => rejection(proveRecord(log, await run(), parseRecordId(proved?.id ?? '')))).then(
        (error) => error.code,
      );
    const tiles = { topic: 'w.1.tiles', partition: 0 };
    expect(
      await prove((log) =>
        log.change(tiles, (entries) => entries.map((entry) => ({ ...entry, value: flipped(entry.value, entry.value.length - 1) }))),
      ),
    ).toBe('PROOF_INVALID');
    expect(await prove((log) => log.change({ topic: 'w.1.checkpoints', partition: 0 }, () => []))).toBe('CHECK_FAILED');
  });
});

describe('a changed proof is refused, and says what does not hold', () => {
  const otherSchema = (extra: Record<string, Json>): Json =>
    (extra['schema'] as { name: string; type: Json }[]).map((field, n) => (n === 0 ? { ...field, name: 'other' } : field));
  test.each<[string, (extra: Record<string, Json>) => Json, string]>([
    ['version', (extra) => ({ ...extra, v: 2 }), "'v'"],
    ['no version', ({ v: _, ...extra }) => extra, "'v'"],
    [
      'another candidate',
      (extra) => ({ ...extra, id: String(extra['id']).replace(/\d+$/, (i) => String(Number(i) + 1)) }),
      'record is not among those',
    ],
    ['a candidate beyond u32', (extra) => ({ ...extra, id: String(extra['id']).replace(/\d+$/, '9999999999') }), "'id'"],
    ['another task', (extra) => ({ ...extra, id: String(extra['id']).replace(/\d+\.(\d+)$/, '999.$1') }), 'another candidate'],
    ['another generation', (extra) => ({ ...extra, id: String(extra['id']).replace('/1/', '/2/') }), 'checkpoint is of'],
    ['another run', (extra) => ({ ...extra, id: `x${String(extra['id'])}` }), 'checkpoint is of'],
    ['an id in another form', (extra) => ({ ...extra, id: String(extra['id']).replace('/1/', '/01/') }), "'id'"],
    ['an id that is none', (extra) => ({ ...extra, id: 'w' }), 'its id'],
    [
      'another record',
      (extra) => ({ ...extra, record: toBase64(flipped(fromBase64(String(extra['record'])), 0)) }),
      'record is not among those',
    ],
    ['a record that is no base64', (extra) => ({ ...extra, record: '!' }), 'its record'],
    ['no record', ({ record: _, ...extra }) => extra, "'record'"],
    ['record and drop', (extra) => ({ ...extra, drop: '' }), "'record'"],
    ['another index', (extra) => ({ ...extra, index: Number(extra['index']) + 1 }), 'not among'],
    ['a fraction as index', (extra) => ({ ...extra, index: 0.5 }), "'index'"],
    ['a negative count', (extra) => ({ ...extra, count: -1 }), "'count'"],
    ['a count of none', (extra) => ({ ...extra, count: 0 }), 'not among'],
    ['a shorter path', (extra) => ({ ...extra, path: (extra['path'] as Json[]).slice(1) }), 'not among'],
    [
      'another path',
      (extra) => ({
        ...extra,
        path: (extra['path'] as string[]).map((hash, n) => (n === 0 ? toBase64(flipped(fromBase64(hash), 0)) : hash)),
      }),
      'not among',
    ],
    ['a path of something else', (extra) => ({ ...extra, path: [1] }), "'path'"],
    [
      'another leaf',
      (extra) => ({ ...extra, leaf: toBase64(flipped(fromBase64(String(extra['leaf'])), -1 + fromBase64(String(extra['leaf'])).length)) }),
      'path does not lead',
    ],
    ['other field names', (extra) => ({ ...extra, schema: otherSchema(extra) }), 'schema is not the one'],
    ['fields in another order', (extra) => ({ ...extra, schema: (extra['schema'] as Json[]).toReversed() }), 'schema is not the one'],
    ['a schema that is none', (extra) => ({ ...extra, schema: [{ name: 'x', type: 'nothing' }] }), "'schema'"],
    ['a field more', (extra) => ({ ...extra, note: 'trust me' }), "'note'"],
    ['a list', () => [], "'object'"],
  ])('%s', (_name, change, says) => {
    const { text, key } = proofOf('published');
    const error = failure(withExtra(text, change), key);
    expect(error.code).toBe('PROOF_INVALID');
    expect(error.message).toContain(says);
  });

  test.each<[string, (extra: Record<string, Json>) => Json]>([
    ['its reason', (extra) => ({ ...extra, drop: toBase64(flipped(fromBase64(String(extra['drop'])), 6)) })],
    ['shown as published', ({ drop, ...extra }) => ({ ...extra, record: drop ?? '' })],
    ['an empty drop', (extra) => ({ ...extra, drop: '' })],
  ])('a dropped record with %s changed', (_name, change) => {
    for (const kind of ['rejected', 'failed', 'duplicate'])
      expect(failure(withExtra(proofOf(kind).text, change), proofOf(kind).key).code).toBe('PROOF_INVALID');
  });

  test('the extra line in another form of JSON', () => {
    const { text, key } = proofOf('published');
    const proof = parseTlogProof(text);
    const spaced = Buffer.from(` ${fromUtf8(proof.extra ?? new Uint8Array(0))}`, 'utf8');
    expect(failure(formatTlogProof({ ...proof, extra: spaced }), key).message).toContain('not canonical');
  });

  test.each<[string, (proof: TlogProof) => Partial<TlogProof>, string]>([
    ['its index', ({ index }) => ({ index: index + 1n }), 'index'],
    [
      'a hash of its path',
      ({ path }) => ({ path: path.map((hash, n) => (n === path.length - 1 ? flipped(hash, 31) : hash)) }),
      'path does not lead',
    ],
    ['a hash less', ({ path }) => ({ path: path.slice(1) }), 'path does not lead'],
    ['the size of the checkpoint', ({ checkpoint }) => ({ checkpoint: checkpoint.replace(/\n\d+\n/, '\n7\n') }), 'signature'],
    [
      'the root of the checkpoint',
      ({ checkpoint }) => ({ checkpoint: checkpoint.replace(/\n(\d+)\n[^\n]{4}/, '\n$1\nAAAA') }),
      'signature',
    ],
    ['no signature', ({ checkpoint }) => ({ checkpoint: checkpoint.replace(/— .*\n/, '') }), 'signature'],
    ['no extra line', () => ({ extra: undefined }), 'extra'],
  ])('%s', (_name, change, says) => {
    const { text, key } = proofOf('published');
    const changed = formatTlogProof({ ...parseTlogProof(text), ...change(parseTlogProof(text)) });
    const error = failure(changed, key);
    expect(error.code).toBe('PROOF_INVALID');
    expect(error.message).toContain(says);
  });

  test('the extra line of another record on this proof', () => {
    const [one, ...others] = proofs.filter((proof) => proof.key === proofOf('published').key);
    for (const other of others) {
      const mixed = formatTlogProof({ ...parseTlogProof(other.text), extra: parseTlogProof(one?.text ?? '').extra });
      const sameLeaf = extraOf(parseTlogProof(other.text))['leaf'] === extraOf(parseTlogProof(one?.text ?? ''))['leaf'];
      if (sameLeaf) expect(verifyProof(mixed, other.key).id).toBe(one?.id);
      else expect(failure(mixed, other.key).code).toBe('PROOF_INVALID');
    }
  });

  test('a verifier key of another signer, of another run, or none', () => {
    const { text, key } = proofOf('published');
    const [name = ''] = key.split('+');
    const stranger = signerFromSeed(new Uint8Array(32).fill(3));
    expect(failure(text, formatVkey(noteKey(name, stranger.publicKey))).message).toContain('No known key signed');
    const renamed = formatVkey(noteKey('local/other/1', parseVkey(key).publicKey));
    expect(failure(text, renamed).code).toBe('PROOF_INVALID');
    expect(failure(text, 'not a key').code).toBe('KEY_INVALID');
  });
});

describe('any bytes as a proof', () => {
  const same = (a: ProofReport, b: ProofReport): void => expect(a).toEqual(b);

  test(`flipped, cut or exchanged bytes end in a clear refusal, or say the same (seed ${SEED})`, () => {
    const at = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
    const change = fc.oneof(
      fc.record({ kind: fc.constant('flip' as const), at, bits: fc.integer({ min: 1, max: 255 }) }),
      fc.record({ kind: fc.constant('cut' as const), at, bits: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ kind: fc.constant('put' as const), at, bits: fc.integer({ min: 0, max: 255 }) }),
    );
    fc.assert(
      fc.property(fc.nat(), fc.boolean(), fc.array(change, { minLength: 1, maxLength: 3 }), (n, inside, changes) => {
        const { text, key } = proofs[n % proofs.length] as Proved;
        const honest = verifyProof(text, key);
        const proof = parseTlogProof(text);
        let bytes = inside ? Buffer.from(proof.extra ?? []) : Buffer.from(text, 'utf8');
        for (const { kind, at: place, bits } of changes) {
          const where = Math.floor(place * bytes.length);
          if (kind === 'flip') bytes[where] = (bytes[where] ?? 0) ^ bits;
          else if (kind === 'cut') bytes = Buffer.concat([bytes.subarray(0, where), bytes.subarray(where + bits)]);
          else bytes = Buffer.concat([bytes.subarray(0, where), Buffer.of(bits), bytes.subarray(where)]);
        }
        const changed = inside ? formatTlogProof({ ...proof, extra: bytes }) : bytes.toString('utf8');
        let report: ProofReport;
        try {
          report = verifyProof(changed, key);
        } catch (error) {
          expect(error).toBeInstanceOf(MizuError);
          expect((error as MizuError).code).toBe('PROOF_INVALID');
          return;
        }
        same(report, honest);
      }),
      { seed: SEED, numRuns: 1500 },
    );
  });
});
