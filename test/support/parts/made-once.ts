/**
 * A folder in the user's cache that is made once and then shared by every clone and process. It is made beside its place and moved there in one step, so
 * two processes at once only do the work twice. A manifest of digests shows on every use that the folder is whole; a damaged one is made again.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const MANIFEST = 'manifest.json';

/** Where fetched parts are kept: MIZU_CACHE, else `mizu` in the user's cache folder. */
export function cacheFolder(): string {
  return process.env.MIZU_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'mizu');
}

/**
 * The path of the folder `name` in `cache`, made by `make` unless a whole one is there. `make` gets an empty folder; what it throws is thrown on,
 * and nothing is left behind.
 */
export async function madeOnce(cache: string, name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const place = join(cache, name);
  if (isWhole(place)) return place;
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  const making = mkdtempSync(join(cache, `${name}.making-`));
  try {
    await make(making);
    writeFileSync(join(making, MANIFEST), JSON.stringify(digests(making)));
    if (existsSync(place) && !isWhole(place)) setAside(place, cache, name);
    moveOrYield(making, place);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return place;
}

function setAside(place: string, cache: string, name: string): void {
  const aside = mkdtempSync(join(cache, `${name}.damaged-`));
  renameSync(place, join(aside, name));
  rmSync(aside, { recursive: true, force: true });
}

/** A move onto a folder that is not empty fails: then another process was first, and its folder is as good if it is whole. */
function moveOrYield(making: string, place: string): void {
  try {
    renameSync(making, place);
  } catch (error) {
    if (!isWhole(place)) throw error;
  }
}

function isWhole(folder: string): boolean {
  const manifest = join(folder, MANIFEST);
  if (!existsSync(manifest)) return false;
  try {
    const expected = JSON.parse(readFileSync(manifest, 'utf8')) as Record<string, string>;
    const names = Object.keys(expected);
    return names.length > 0 && names.every((name) => digest(join(folder, name)) === expected[name]);
  } catch {
    return false;
  }
}

function digests(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, digest(join(folder, name))]));
}

function digest(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
