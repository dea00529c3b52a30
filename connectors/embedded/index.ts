/** The embedded log and a node's local storage, both on `node:sqlite`: one machine, several processes, no server. */
export { type EmbeddedLogOptions, openEmbeddedLog } from './log.ts';
export { BLOOM_TARGET_RATE } from './key-bloom.ts';
export type { CountedKeyIndex } from './key-index.ts';
export { type EmbeddedLocalStorage, type LocalStorageOptions, openLocalStorage } from './local-storage.ts';
