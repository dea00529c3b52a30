/**
 * A node's private, temporary storage: exact indexes that are rebuilt from the log at take-over. Nothing here survives a
 * crash, nothing here is the only copy of anything, and what a killed process left is removed at the next opening.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type LocalStorage, messageOf, MizuError, makeFolder, processLives } from '#engine';
import { bufferKeysFor, type CountedKeyIndex, INDEX_MEMORY_BYTES, type IndexMemory, openKeyIndex } from './key-index.ts';

export interface EmbeddedLocalStorage extends LocalStorage {
  /** `name` tells indexes apart in errors; `expectedKeys` sizes the filter before the disk, see key-bloom.ts for what happens beyond. */
  openKeyIndex(name: string, expectedKeys: number): CountedKeyIndex;
}

const FILE_PATTERN = /^index-(\d+)-/;

export interface LocalStorageOptions {
  /** Memory for the keys of all indexes together. Default `INDEX_MEMORY_BYTES`. */
  readonly indexMemoryBytes?: number;
  /** Keys that an index puts on disk at once when that is used up. Default: as `bufferKeysFor` that memory. */
  readonly bufferKeys?: number;
}

/** @throws FILE_UNWRITABLE when the folder can't be made or written. */
export function openLocalStorage(directory: string, options: LocalStorageOptions = {}): EmbeddedLocalStorage {
  prepareFolder(directory);
  const indexes: CountedKeyIndex[] = [];
  const limitBytes = options.indexMemoryBytes ?? INDEX_MEMORY_BYTES;
  const memory: IndexMemory = { limitBytes, bufferKeys: options.bufferKeys ?? bufferKeysFor(limitBytes), usedBytes: 0 };
  return {
    openKeyIndex(name, expectedKeys) {
      const safe = name.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 80);
      const index = openKeyIndex(join(directory, `index-${process.pid}-${nextNumber()}-${safe}.db`), expectedKeys, memory);
      indexes.push(index);
      return index;
    },
    async close() {
      for (const index of indexes.splice(0)) index.close();
    },
  };
}

let filesMade = 0;
const nextNumber = (): number => filesMade++;

function prepareFolder(directory: string): void {
  try {
    makeFolder(directory);
    for (const name of readdirSync(directory)) {
      const pid = Number(FILE_PATTERN.exec(name)?.[1]);
      if (Number.isSafeInteger(pid) && !processLives(pid)) rmSync(join(directory, name), { force: true });
    }
  } catch (error) {
    throw new MizuError('FILE_UNWRITABLE', `Can't use ${directory} as local storage: ${messageOf(error)}`, {
      cause: error,
      component: directory,
      hint: 'Local storage is temporary; it needs a folder that this user may write, on a disk with room.',
    });
  }
}
