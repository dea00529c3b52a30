import { describe, expect, test } from 'vitest';
import { formatCheckpoint, openCheckpoint, parseCheckpoint } from '../../../engine/proof/checkpoint.ts';
import { signerFromSeed } from '../../../engine/proof/ed25519.ts';
import { EMPTY_ROOT } from '../../../engine/proof/merkle.ts';
import type { NoteKey } from '../../../engine/proof/note.ts';
import { formatVkey, noteKey, openNote, parseNote, parseVkey, signNote } from '../../../engine/proof/note.ts';
import { fromHex, toBase64, toHex } from '../../../engine/proof/sha256.ts';
import { describeVectors, everyCase } from '../../support/vectors.ts';

type Expect = 'accept' | 'reject' | 'either';

/** Runs a check that accepts by returning and rejects by a PROOF_INVALID or KEY_INVALID error; nothing else may be thrown. */
function verdict(wanted: Expect, work: () => void): void {
  let got: Expect = 'accept';
  let why = '';
  try {
    work();
  } catch (error) {
    why = String(error);
    if (!(error instanceof Error && 'code' in error && ['PROOF_INVALID', 'KEY_INVALID'].includes(String(error.code)))) throw error;
    got = 'reject';
  }
  if (wanted !== 'either') expect(`${got} ${got === wanted ? '' : why}`).toBe(`${wanted} `);
}

const nameOf = (key: NoteKey): string => `${key.name}+${toHex(key.id)}`;

interface NoteCase {
  readonly id: string;
  readonly why: string;
  readonly expect: Expect;
  readonly known: string[];
  readonly note?: string;
  readonly noteHex?: string;
  readonly text?: string;
  readonly textHex?: string;
  readonly verifiedBy?: string[];
}
interface KeyCase {
  readonly name: string;
  readonly keyIdHex: string;
  readonly publicHex: string;
  readonly seedHex: string;
  readonly vkey: string;
}

describeVectors<{ keys: KeyCase[]; vkeys: { vkey: string; expect: Expect; why: string }[]; notes: NoteCase[] }>(
  'note/notes.json',
  (data) => {
    test('a seed and a name give the published verifier key', () => {
      everyCase(
        data.keys,
        (one) => one.name,
        (one) => {
          const key = noteKey(one.name, signerFromSeed(fromHex(one.seedHex)).publicKey);
          expect([toHex(key.id), toHex(key.publicKey), formatVkey(key)]).toEqual([one.keyIdHex, one.publicHex, one.vkey]);
        },
      );
    });
    test('verifier keys get their verdict and are written as they were read', () => {
      everyCase(
        data.vkeys,
        (one) => one.why,
        (one) => verdict(one.expect, () => expect(formatVkey(parseVkey(one.vkey))).toBe(one.vkey)),
      );
    });
    test('signed notes get their verdict, with the text and the keys that count', () => {
      everyCase(
        data.notes,
        (one) => `${one.id} ${one.why}`,
        (one) => {
          verdict(one.expect, () => {
            const opened = openNote(one.noteHex === undefined ? (one.note ?? '') : fromHex(one.noteHex), one.known.map(parseVkey));
            if (one.expect !== 'accept') return;
            expect(opened.verifiedBy.map(nameOf)).toEqual(one.verifiedBy);
            const text = one.textHex === undefined ? one.text : Buffer.from(one.textHex, 'hex').toString('utf8');
            if (text !== undefined) expect(opened.text).toBe(text);
          });
        },
      );
    });
    test('signing the text of a good note gives the same line again', () => {
      const signers = new Map(
        data.keys.map((one) => [`${one.name}+${one.keyIdHex}`, { name: one.name, signer: signerFromSeed(fromHex(one.seedHex)) }]),
      );
      const single = data.notes.filter(
        (one) => one.expect === 'accept' && one.verifiedBy?.length === 1 && one.why.includes('one known signature'),
      );
      everyCase(
        single,
        (one) => one.id,
        (one) => {
          const note = one.noteHex === undefined ? (one.note ?? '') : Buffer.from(one.noteHex, 'hex').toString('utf8');
          const signer = signers.get(one.verifiedBy?.[0] ?? '');
          expect(signer && signNote(parseNote(note).text, [signer])).toBe(note);
        },
      );
    });
  },
);

interface Published {
  readonly signedNote: { vkey: string; note: string; text: string };
  readonly checkpointParseOnly: { note: string; origin: string; size: string; root: string };
  readonly cosignedParseOnly: { note: string };
  readonly tlogProofShapeOnly: { text: string };
}

describeVectors<Published>('note/published.json', (data) => {
  test("the specification's examples read as it says", () => {
    expect(openNote(data.signedNote.note, [parseVkey(data.signedNote.vkey)]).text).toBe(data.signedNote.text);
    const checkpoint = parseCheckpoint(parseNote(data.checkpointParseOnly.note).text);
    expect([checkpoint.origin, String(checkpoint.size), toBase64(checkpoint.root)]).toEqual([
      data.checkpointParseOnly.origin,
      data.checkpointParseOnly.size,
      data.checkpointParseOnly.root,
    ]);
    expect(parseNote(data.cosignedParseOnly.note).signatures.length).toBeGreaterThan(1);
  });
});

interface CheckpointCase {
  readonly id: string;
  readonly why: string;
  readonly expect: Expect;
  readonly note: string;
  readonly vkey: string;
  readonly origin?: string;
  readonly size?: string;
  readonly root?: string;
  readonly extensions?: string[];
  readonly witnesses?: string[];
  readonly quorum?: number;
}

describeVectors<{ checkpoints: CheckpointCase[]; cosigned: CheckpointCase[] }>('note/checkpoints.json', (data) => {
  test('checkpoints get their verdict, their sizes stay exact', () => {
    everyCase(
      data.checkpoints,
      (one) => `${one.id} ${one.why}`,
      (one) => {
        verdict(one.expect, () => {
          const checkpoint = openCheckpoint(one.note, { key: parseVkey(one.vkey), origin: one.origin });
          if (one.expect !== 'accept') return;
          expect([String(checkpoint.size), toBase64(checkpoint.root), checkpoint.extensions]).toEqual([one.size, one.root, one.extensions]);
          expect(formatCheckpoint(checkpoint)).toBe(parseNote(one.note).text);
        });
      },
    );
  });
  test('a quorum counts distinct witnesses with good cosignatures', () => {
    everyCase(
      data.cosigned,
      (one) => `${one.id} ${one.why}`,
      (one) => {
        verdict(one.expect, () => {
          openCheckpoint(one.note, { key: parseVkey(one.vkey), witnesses: (one.witnesses ?? []).map(parseVkey), quorum: one.quorum });
        });
      },
    );
  });
});

describe('notes', () => {
  const signer = signerFromSeed(new Uint8Array(32).fill(7));
  const key = noteKey('mizu.test/log', signer.publicKey);

  test('a text that would read back otherwise is not signed', () => {
    for (const text of ['no newline', 'tab\there\n', 'return\r\n']) expect(() => signNote(text, [{ name: key.name, signer }])).toThrow();
    expect(() => formatCheckpoint({ origin: 'a\nb', size: 1n, root: EMPTY_ROOT })).toThrow();
    expect(() => formatCheckpoint({ origin: 'a', size: 1n, root: EMPTY_ROOT, extensions: ['x\ny'] })).toThrow();
  });
  test('a checkpoint of another origin does not count, whoever signed it', () => {
    const note = signNote(formatCheckpoint({ origin: 'mizu.test/other', size: 0n, root: EMPTY_ROOT }), [{ name: key.name, signer }]);
    expect(() => openCheckpoint(note, { key })).toThrow(/not of 'mizu.test\/log'/);
    expect(openCheckpoint(note, { key, origin: 'mizu.test/other' }).size).toBe(0n);
  });
  test('a private key given as a verifier key is not repeated in the error', () => {
    expect(() => parseVkey('PRIVATE+KEY+a+00000000+SECRET')).toThrow(/^(?!.*SECRET)/);
  });
});
