import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../engine/proof/checkpoint.ts';
import { leafHash, verifyConsistency, verifyInclusion } from '../../../engine/proof/merkle.ts';
import { parseVkey } from '../../../engine/proof/note.ts';
import { fromBase64, sha256, toBase64, toHex, utf8 } from '../../../engine/proof/sha256.ts';
import { TileReader } from '../../../engine/proof/tile-reader.ts';
import { decodeBundle, ENTRY_LIMIT_BYTES, parseTilePath, TileBuilder, tilePath } from '../../../engine/proof/tiles.ts';
import { describeVectors, everyCase } from '../../support/vectors.ts';

const entry = (n: number): Uint8Array => utf8(`mizu leaf ${n}\n`);

function buildLog(size: number): Map<string, Uint8Array> {
  const builder = new TileBuilder();
  const files = new Map<string, Uint8Array>();
  const keep = (made: { path: string; bytes: Uint8Array }[]): void => {
    for (const { path, bytes } of made) {
      expect(files.has(path)).toBe(false);
      files.set(path, bytes);
    }
  };
  for (let n = 0; n < size; n++) keep(builder.append(entry(n)));
  keep(builder.finish());
  return files;
}

interface LogCase {
  readonly size: number;
  readonly root: string;
  readonly checkpoint: string;
  readonly fileCount: number;
  readonly files: [string, number, string][];
  readonly inclusion: { index: number; leafHash: string; proof: string[] }[];
  readonly consistency: { from: number; fromRoot: string; proof: string[] }[];
}
interface PathCase {
  readonly path: string;
  readonly expect: 'accept' | 'reject';
  readonly level?: string;
  readonly n?: string;
  readonly width?: number;
}

describeVectors<{ vkey: string; logs: LogCase[]; paths: PathCase[] }>('tiles/tiles.json', (data) => {
  test('tile paths are read strictly and written back the same', () => {
    everyCase(
      data.paths,
      (one) => one.path,
      (one) => {
        const id = parseTilePath(one.path);
        expect(id === undefined ? 'reject' : 'accept').toBe(one.expect);
        if (id === undefined) return;
        expect([String(id.level), String(id.index), id.width]).toEqual([one.level, one.n, one.width]);
        expect(tilePath(id.level, id.index, id.width)).toBe(one.path);
      },
    );
  });
  test.each(data.logs.map((one) => [one.size, one] as const))(
    'a log of %i entries has exactly the published files and proofs',
    async (size, one) => {
      const files = buildLog(size);
      expect(files.size).toBe(one.fileCount);
      everyCase(
        one.files,
        ([path]) => path,
        ([path, length, digest]) => {
          const bytes = files.get(path) ?? new Uint8Array(0);
          expect([bytes.length, toHex(sha256(bytes))]).toEqual([length, digest]);
        },
      );
      const checkpoint = openCheckpoint(one.checkpoint, { key: parseVkey(data.vkey) });
      expect(Number(checkpoint.size)).toBe(size);
      const reader = new TileReader(async (path) => files.get(path), size);
      expect(toBase64(await reader.root())).toBe(one.root);
      expect(toBase64(checkpoint.root)).toBe(one.root);
      for (const { index, leafHash: leaf, proof } of one.inclusion) {
        const path = await reader.inclusionPath(index);
        expect(path.map(toBase64)).toEqual(proof);
        expect(toBase64(leafHash(await reader.entry(index)))).toBe(leaf);
        expect(toBase64(await reader.leafHash(index))).toBe(leaf);
        expect(verifyInclusion({ index, size, leafHash: fromBase64(leaf), path, root: checkpoint.root })).toBe(true);
      }
      for (const { from, fromRoot, proof } of one.consistency) {
        const path = await reader.consistencyPath(from);
        expect(path.map(toBase64)).toEqual(proof);
        expect(toBase64(await reader.root(from))).toBe(fromRoot);
        expect(verifyConsistency({ size1: from, size2: size, root1: fromBase64(fromRoot), root2: checkpoint.root, path })).toBe(true);
      }
    },
  );
});

describe('tiles', () => {
  test('a reader of an older checkpoint finds its proofs in the files of the grown log', async () => {
    const files = buildLog(600);
    for (const path of [...files.keys()]) if (path.includes('.p/') && !path.startsWith('tile/1')) files.delete(path);
    const old = new TileReader(
      async (path) =>
        files.get(path === 'tile/1/000.p/1' ? 'absent' : path) ??
        (path === 'tile/1/000.p/1' ? files.get('tile/1/000.p/2')?.subarray(0, 32) : undefined),
      300,
    );
    const root = await old.root();
    expect(verifyInclusion({ index: 299, size: 300, leafHash: leafHash(entry(299)), path: await old.inclusionPath(299), root })).toBe(true);
    expect(Buffer.from(await old.entry(299)).toString()).toBe('mizu leaf 299\n');
    await expect(old.entry(300)).rejects.toThrow(/no entry 300/);
    await expect(old.leafHash(300)).rejects.toThrow(/no node 300/);
  });
  test('a missing or cut file is named', async () => {
    const files = buildLog(300);
    const without = new TileReader(async (path) => (path === 'tile/0/001.p/44' ? undefined : files.get(path)), 300);
    await expect(without.inclusionPath(0)).rejects.toThrow(/tile\/0\/001\.p\/44 is missing/);
    const cut = new TileReader(async (path) => files.get(path)?.subarray(1), 300);
    await expect(cut.inclusionPath(0)).rejects.toThrow(/32 bytes|bytes were expected|bytes, /);
    await expect(new TileReader(async (path) => files.get(path), 300).entry(300)).rejects.toThrow(/no entry 300|no tile/);
  });
  test('an entry that no bundle can hold is refused before anything is built from it', () => {
    const builder = new TileBuilder();
    expect(() => builder.append(new Uint8Array(ENTRY_LIMIT_BYTES + 1))).toThrow(/65535/);
    expect(builder.size).toBe(0);
    builder.append(new Uint8Array(ENTRY_LIMIT_BYTES));
    const [bundle] = builder.finish();
    expect(decodeBundle(bundle?.bytes ?? new Uint8Array(0), 1)[0]?.length).toBe(ENTRY_LIMIT_BYTES);
    expect(() => decodeBundle(bundle?.bytes.subarray(0, 100) ?? new Uint8Array(0), 1)).toThrow(/cut/);
    expect(() => decodeBundle(Uint8Array.of(0), 1)).toThrow(/cut/);
  });
});
