/**
 * Memory and places in files that begin on a block, as files ask for that are used past the system's page cache (open(2), O_DIRECT). WebAssembly's memory is
 * the only one in Node that is known to begin on a page.
 */
import { constants } from 'node:fs';
import { WASM_PAGE_BYTES } from '#engine';
import { DIRECT_BLOCK_BYTES } from './limits.ts';

/** Undefined where the system has no such flag. */
export const O_DIRECT: number | undefined = constants.O_DIRECT;

/** `bytes` are rounded up to pages of 64 KiB. None where there is no memory for it. */
export function alignedMemory(bytes: number): Uint8Array | undefined {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES);
  try {
    return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
  } catch {
    return undefined;
  }
}

/** The end of the block that a place lies in or ends. */
export const blockEnd = (place: number): number => Math.ceil(place / DIRECT_BLOCK_BYTES) * DIRECT_BLOCK_BYTES;

/** The beginning of the block that a place lies in. */
export const blockStart = (place: number): number => place - (place % DIRECT_BLOCK_BYTES);
