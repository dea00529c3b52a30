/** The embedded log under the laws of the log. */
import { rmSync } from 'node:fs';
import { openEmbeddedLog } from '#connectors/embedded';
import type { Log } from '#engine';
import { temporaryFolder } from '../support/log-embedded.ts';
import { describeLog } from './log-laws.ts';

const opened: Log[] = [];
const folders: string[] = [];

async function openAt(directory: string): Promise<Log> {
  const log = await openEmbeddedLog({ directory });
  opened.push(log);
  return log;
}

describeLog('embedded', {
  open() {
    const directory = temporaryFolder();
    folders.push(directory);
    return openAt(directory);
  },
  reopen: (log) => openAt(log.address),
  async destroy() {
    for (const log of opened.splice(0)) await log.close();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  },
  histories: 25,
});
