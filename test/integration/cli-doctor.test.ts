/** `mizu doctor` as operators use it: exit 0 and a signed word that anybody can check, or exit 1 with what is wrong. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lastObject, mizu } from '../support/cli.ts';
import { scratchFolder } from '../support/scratch.ts';
import { VECTORS_FILE } from '../vectors/make.ts';

describe('mizu doctor', () => {
  const folder = scratchFolder();
  const run = (...args: readonly string[]) => mizu(['doctor', '--log', 'log', '--json', ...args], { cwd: folder });

  it('says of this machine that it may be a node, signed so that verify checks it', async () => {
    const result = await run();
    expect([result.code, result.stderr]).toEqual([0, result.stderr]);
    const said = lastObject(result);
    expect(said).toMatchObject({ ok: true, mayBeNode: true, wrong: [], file: 'mizu-doctor.json' });
    expect((said['machine'] as { name: string }[]).map(({ name }) => name)).toEqual([
      'node',
      'sqlite',
      'threads',
      'memory',
      'disk',
      'key',
      'clock',
    ]);
    const verified = await mizu(['verify', 'mizu-doctor.json', '--key', String(said['key']), '--json'], { cwd: folder });
    expect([verified.code, lastObject(verified)]).toMatchObject([0, { mayBeNode: true, keyGiven: true, ownVectors: true }]);
    const other = await mizu(['verify', 'mizu-doctor.json', '--key', 'ab'.repeat(32), '--json'], { cwd: folder });
    expect([other.code, lastObject(other)]).toMatchObject([1, { error: { code: 'PROOF_INVALID' } }]);
  });

  it('ends with 1 for a planted wrong vector, names it, and signs that, too', async () => {
    writeFileSync(join(folder, 'planted.json'), readFileSync(VECTORS_FILE, 'utf8').replace('"5e-324"', '"4e-324"'));
    const result = await mizu(['doctor', '--log', 'log', '--vectors', 'planted.json', '--out', 'wrong.json'], { cwd: folder });
    expect(result.code).toBe(1);
    expect(result.stdout).toMatch(/may be no node: print numbers, edges, at \[2\]: expected "4e-324", got "5e-324"/);
    const verified = await mizu(['verify', 'wrong.json', '--json'], { cwd: folder });
    expect([verified.code, lastObject(verified)]).toMatchObject([1, { mayBeNode: false, ownVectors: false, keyGiven: false }]);
  });

  it('ends with 1 for a key that others may read, and does not sign with it', async () => {
    chmodSync(join(folder, 'log/keys/signer.pem'), 0o644);
    const result = await run();
    expect(result.code).toBe(1);
    expect(lastObject(result)).toMatchObject({ mayBeNode: false, wrong: [], file: null, key: null });
    expect(JSON.stringify(lastObject(result))).toContain('others may read or change it');
  });
});
