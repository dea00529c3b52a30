/** Embedded logs in temporary folders, for suites that need a log and not a particular one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedLogOptions, openEmbeddedLog } from '#connectors/embedded';
import type { Log } from '#engine';

export type LogSettings = Omit<EmbeddedLogOptions, 'directory'>;

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'mizu-log-'));
}

/** Runs `use` with a new log and its folder; closes and removes both, whatever happens. */
export async function withLog<T>(use: (log: Log, directory: string) => Promise<T>, settings: LogSettings = {}): Promise<T> {
  const directory = temporaryFolder();
  try {
    const log = await openEmbeddedLog({ ...settings, directory });
    try {
      return await use(log, directory);
    } finally {
      await log.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
