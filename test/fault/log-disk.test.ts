/** A full disk and a read-only folder: nothing is lost, the error says how to go on, and going on works (law 10). */
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import type { CommitOutcome, LogWriter } from '#engine';
import { codeOf, commitVisibly, note, outcomeCode, readTexts, rejection } from '../support/log-tools.ts';
import { temporaryFolder, withLog } from '../support/log-embedded.ts';
import { startLogProcess } from '../support/log-process.ts';
import { mountDisk, unmountDisk } from '../support/small-disk.ts';

const CHUNK = 'x'.repeat(100_000);
const NOBODY = 65_534;

/** Commits chunks until one is not committed; gives how many were, and that one's outcome. */
async function fill(writer: LogWriter): Promise<{ readonly committed: number; readonly outcome: CommitOutcome }> {
  for (let committed = 0; ; committed++) {
    const outcome = await writer.commit([note('t', 0, `${committed} ${CHUNK}`), note('t', 1, String(committed))]);
    if (outcome.status !== 'committed') return { committed, outcome };
  }
}

describe('a full disk', () => {
  it('aborts the commit that would pass the size limit with DISK_FULL, keeps all before, and goes on with a larger limit', async () => {
    await withLog(
      async (log, directory) => {
        await log.createTopic({ name: 't', partitions: 2, cleanup: 'keep' });
        const { committed, outcome } = await fill(await log.openWriter('w'));
        expect(committed).toBeGreaterThan(5);
        expect(outcome).toMatchObject({
          status: 'aborted',
          writerDead: false,
          error: { code: 'DISK_FULL', hint: expect.stringContaining('start the same command again') },
        });
        const { bytes, limit } = await log.size();
        expect(limit).toBe(1_000_000);
        expect(bytes).toBeLessThanOrEqual(1_000_000);
        expect(await readTexts(log, 't', 1)).toHaveLength(committed);
        const larger = await openEmbeddedLog({ directory, sizeLimitBytes: 2_000_000 });
        await commitVisibly(await larger.openWriter('w'), [note('t', 1, 'more')]);
        expect(await readTexts(log, 't', 1)).toHaveLength(committed + 1);
        await larger.close();
      },
      { sizeLimitBytes: 1_000_000 },
    );
  });

  it('loses nothing on a disk that is really full, and the same writer goes on when space was freed', async (context) => {
    const directory = temporaryFolder();
    const refused = mountDisk(directory, '6m');
    if (refused !== '') {
      rmSync(directory, { recursive: true, force: true });
      context.skip(`a small disk can't be mounted here: ${refused}`);
    }
    try {
      writeFileSync(join(directory, 'ballast'), Buffer.alloc(2_000_000));
      const log = await openEmbeddedLog({ directory });
      await log.createTopic({ name: 't', partitions: 2, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      const { committed, outcome } = await fill(writer);
      expect(outcome).toMatchObject({ status: 'aborted', writerDead: false });
      expect(outcomeCode(outcome)).toBe('DISK_FULL');
      expect(committed).toBeGreaterThan(5);
      expect(await readTexts(log, 't', 1)).toEqual(Array.from({ length: committed }, (_, n) => String(n)));
      rmSync(join(directory, 'ballast'));
      await commitVisibly(writer, [note('t', 1, String(committed))]);
      await log.close();
      const again = await openEmbeddedLog({ directory });
      expect(await readTexts(again, 't', 1)).toEqual(Array.from({ length: committed + 1 }, (_, n) => String(n)));
      expect(await readTexts(again, 't', 0)).toHaveLength(committed);
      await again.close();
    } finally {
      unmountDisk(directory);
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('reading only', () => {
  it('serves what is there, follows other writers, and refuses to write', async () => {
    await withLog(async (log, directory) => {
      await log.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
      const writer = await log.openWriter('w');
      await commitVisibly(writer, [note('t', 0, 'one')]);
      const reader = await openEmbeddedLog({ directory, readOnly: true });
      expect(await readTexts(reader, 't', 0)).toEqual(['one']);
      expect(codeOf(await rejection(reader.openWriter('w')))).toBe('USAGE');
      expect(codeOf(await rejection(reader.createTopic({ name: 'u', partitions: 1, cleanup: 'keep' })))).toBe('USAGE');
      const waiting = reader.waitBeyond('t', 0, await reader.end('t', 0), new AbortController().signal);
      await commitVisibly(writer, [note('t', 0, 'two')]);
      expect(await waiting).toBe(true);
      expect(await readTexts(reader, 't', 0)).toEqual(['one', 'two']);
      await reader.close();
    });
  });

  it('makes no log where there is none', async () => {
    const directory = temporaryFolder();
    expect(codeOf(await rejection(openEmbeddedLog({ directory, readOnly: true })))).toBe('NOT_FOUND');
    expect(codeOf(await rejection(openEmbeddedLog({ directory: join(directory, 'nowhere'), readOnly: true })))).toBe('NOT_FOUND');
    expect(readdirSync(directory)).toEqual([]);
    rmSync(directory, { recursive: true });
  });

  it('works in a folder that can not be written and leaves no file there; what a crash left pending is explained', async () => {
    await inUnwritableFolder('closed', async (directory, uid) => {
      const before = readdirSync(directory);
      const reader = startLogProcess({ act: 'read-only', directory, ...uid });
      await reader.ended;
      expect(reader.told).toEqual([{ entries: 4, refused: 'USAGE' }]);
      expect(readdirSync(directory)).toEqual(before);
    });
    await inUnwritableFolder('killed', async (directory, uid) => {
      expect(existsSync(join(directory, 'log.db-wal'))).toBe(true);
      const reader = startLogProcess({ act: 'read-only', directory, ...uid });
      await reader.ended;
      expect(reader.told).toMatchObject([{ error: 'FILE_UNREADABLE', message: expect.stringContaining('read-only') }]);
    });
  });
});

/** A log whose writer has closed it, or was killed, in a folder that the user given can only read. Root becomes nobody. */
async function inUnwritableFolder(
  state: 'closed' | 'killed',
  use: (directory: string, uid: { readonly uid?: number }) => Promise<void>,
): Promise<void> {
  const directory = temporaryFolder();
  try {
    const writer = startLogProcess({ act: 'write', directory, owner: 'w', padding: 10, ...(state === 'closed' ? { count: 2 } : {}) });
    await writer.hasTold(2);
    if (state === 'killed') writer.process.kill('SIGKILL');
    await writer.ended;
    chmodSync(directory, 0o555);
    await use(directory, process.getuid?.() === 0 ? { uid: NOBODY } : {});
  } finally {
    chmodSync(directory, 0o755);
    rmSync(directory, { recursive: true, force: true });
  }
}

describe('a network', () => {
  it('belongs to the store: it is remembered, and another one is refused', async () => {
    await withLog(
      async (log, directory) => {
        expect(log.network).toBe('example.org');
        const again = await openEmbeddedLog({ directory });
        expect(again.network).toBe('example.org');
        await again.close();
        const error = await rejection(openEmbeddedLog({ directory, network: 'other' }));
        expect(codeOf(error)).toBe('USAGE');
        expect(error.message).toContain('example.org');
      },
      { network: 'example.org' },
    );
  });
});
