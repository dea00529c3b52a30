/** Makes a folder and those above it. Node's own recursive way never returns where the system refuses a new folder with ENOENT, as in /proc. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** @throws what the system says. A folder that is there already is good. */
export function makeFolder(path: string, mode = 0o777): void {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.push(at);
  for (const folder of missing.reverse()) mkdirUnlessThere(folder, mode);
  if (!statSync(path).isDirectory()) mkdirSync(path);
}

/** Another process may make it at the same time. */
function mkdirUnlessThere(folder: string, mode: number): void {
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}
