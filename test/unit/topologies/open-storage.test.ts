/** `MIZU_INDEX_MEMORY` (law 6): keys beyond what it grants go to disk, and what is no size is refused before any work (law 10). */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStorage } from '../../../topologies/open-log.ts';
import { rejection } from '../../support/log-tools.ts';
import { temporaryFolder } from '../../support/log-embedded.ts';

const VARIABLE = 'MIZU_INDEX_MEMORY';
const KEYS = 1_000;

/** Bytes on disk of an index that holds so many keys. */
async function onDisk(directory: string): Promise<number> {
  const storage = openStorage(directory);
  const index = storage.openKeyIndex('step/1/0', KEYS);
  const keys = new Uint8Array(KEYS * 32);
  for (let n = 0; n < KEYS; n++) new DataView(keys.buffer).setUint32(n * 32 + 8, n * 4_099);
  index.addAll(keys, new Float64Array(KEYS), new Uint32Array(KEYS));
  const { disk } = index.bytes();
  await storage.close();
  return disk;
}

describe('the memory for keys of a process', () => {
  let directory: string;
  beforeEach(() => {
    directory = temporaryFolder();
  });
  afterEach(() => {
    delete process.env[VARIABLE];
    rmSync(directory, { recursive: true, force: true });
  });

  it('holds them all by default, and sends to disk what is beyond a given limit', async () => {
    expect(await onDisk(directory)).toBe(0);
    process.env[VARIABLE] = '16KiB';
    expect(await onDisk(directory)).toBeGreaterThan(0);
    process.env[VARIABLE] = '1GiB';
    expect(await onDisk(directory)).toBe(0);
  });

  it.each(['64', 'much', '-1MB', '1.5GiB', '999999999TB'])('is refused when it is %j, naming variable and form', async (given) => {
    process.env[VARIABLE] = given;
    const folder = join(directory, 'local');
    expect(await rejection(Promise.resolve().then(() => openStorage(folder)))).toMatchObject({
      code: 'USAGE',
      component: VARIABLE,
      hint: expect.stringContaining('64MB'),
    });
    expect(existsSync(folder)).toBe(false);
  });
});
