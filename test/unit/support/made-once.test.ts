/** The cache of fetched parts: whole or not there, whoever else is making it, and whatever happened to it since. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { madeOnce } from '../../support/parts/made-once.ts';
import { scratchFolder } from '../../support/scratch.ts';

const MAKER = join(import.meta.dirname, '../../support/parts/made-once.ts');

describe('a part that is made once', () => {
  const cache = scratchFolder();

  async function make(name: string, text: string): Promise<string> {
    const folder = await madeOnce(cache, name, async (made) => writeFileSync(join(made, 'part'), text));
    return readFileSync(join(folder, 'part'), 'utf8');
  }

  it('is made by the first, and found by the others', async () => {
    expect([await make('found', 'first'), await make('found', 'second')]).toEqual(['first', 'first']);
  });

  it.each([
    ['shortened', (folder: string) => truncateSync(join(folder, 'part'), 2)],
    ['changed', (folder: string) => writeFileSync(join(folder, 'part'), 'frist')],
    ['without a file', (folder: string) => rmSync(join(folder, 'part'))],
    ['without its manifest', (folder: string) => rmSync(join(folder, 'manifest.json'))],
  ])('is made again when it is %s', async (how, damage) => {
    await make(how, 'first');
    damage(join(cache, how));
    expect(await make(how, 'again')).toBe('again');
  });

  it('leaves nothing behind when making it fails, and is made by the next', async () => {
    const failing = madeOnce(cache, 'failed', async (folder) => {
      writeFileSync(join(folder, 'half'), 'x');
      throw new Error('offline');
    });
    await expect(failing).rejects.toThrow('offline');
    expect(readdirSync(cache).filter((name) => name.startsWith('failed'))).toEqual([]);
    expect(await make('failed', 'whole')).toBe('whole');
  });

  it('is whole for every one of several processes that make it at once', async () => {
    // Each waits for a line before it begins, and makes the part of two files with a turn of the event loop between them.
    const program = `import { madeOnce } from ${JSON.stringify(MAKER)};
      import { readdirSync, writeFileSync } from 'node:fs';
      process.stdout.write('ready');
      process.stdin.once('data', async () => {
        const folder = await madeOnce(${JSON.stringify(cache)}, 'raced', async (made) => {
          writeFileSync(made + '/one', String(process.pid));
          await new Promise((resolve) => setImmediate(resolve));
          writeFileSync(made + '/two', String(process.pid));
        });
        process.stdout.write(readdirSync(folder).sort().join());
        process.stdin.destroy();
      });`;
    const makers = Array.from({ length: 4 }, () => spawn(process.execPath, ['--input-type=module-typescript', '-e', program]));
    const outputs = makers.map(() => '');
    makers.forEach((maker, i) => {
      maker.stdout.on('data', (text: Buffer) => {
        outputs[i] += text.toString();
      });
    });
    await Promise.all(makers.map((maker) => once(maker.stdout, 'data')));
    for (const maker of makers) maker.stdin.write('go\n');
    await Promise.all(makers.map((maker) => once(maker, 'close')));
    expect(outputs).toEqual(makers.map(() => 'readymanifest.json,one,two'));
    expect(readFileSync(join(cache, 'raced', 'one'), 'utf8')).toBe(readFileSync(join(cache, 'raced', 'two'), 'utf8'));
    expect(readdirSync(cache).filter((name) => name.startsWith('raced'))).toEqual(['raced']);
  });
});
