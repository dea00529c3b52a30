/** Small disks in memory, for tests of what a full or read-only disk does. Only some systems and users may mount them. */
import { spawnSync } from 'node:child_process';

/** Runs a tool of the operating system; gives why it failed, or nothing. */
function system(tool: string, ...words: readonly string[]): string {
  const { status, stderr, error } = spawnSync(tool, words, { encoding: 'utf8' });
  return status === 0 ? '' : `${tool}: ${(stderr || String(error)).trim()}`;
}

/** @param size as `mount` takes it: `6m`. @returns why it can't be mounted here; empty if it is. */
export function mountDisk(directory: string, size: string): string {
  return system('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory);
}

/** @returns as `mountDisk`. */
export function makeReadOnly(directory: string): string {
  return system('mount', '-o', 'remount,ro', directory);
}

export function unmountDisk(directory: string): void {
  system('umount', directory);
}
