/** Local storage for one command that writes nothing on the log: a folder of its own, gone when it is closed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalStorage } from '#engine';
import { openStorage } from './open-log.ts';

export function temporaryStorage(): LocalStorage {
  const folder = mkdtempSync(join(tmpdir(), 'mizu-'));
  const storage = openStorage(folder);
  return {
    openKeyIndex: (name, expectedKeys) => storage.openKeyIndex(name, expectedKeys),
    async close() {
      await storage.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
