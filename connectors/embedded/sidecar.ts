/**
 * `store.json`, beside the database: which store this folder holds and the last epoch it had reached. SQLite opens an
 * emptied file as a new, empty store and an older copy as a good one; this file is how both are refused.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, MizuError } from '#engine';
import { rowChecksum } from './checksum.ts';

export const SIDECAR_NAME = 'store.json';
/** Of the store as a whole: 2 has segments, 3 rows of several entries. */
const FORMAT = 3;

export interface Sidecar {
  /** Random id of the store, also inside the database. */
  readonly store: string;
  readonly network: string;
  /** Epoch of the newest writer when this was written: the database's own is never below it. */
  readonly epoch: number;
}

/** @throws LOG_CORRUPT when the file is there but can't be understood, USAGE when it is of another format; undefined when it is not there. */
export function readSidecar(directory: string): Sidecar | undefined {
  const file = join(directory, SIDECAR_NAME);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new MizuError('FILE_UNREADABLE', `Can't read ${file}: ${messageOf(error)}`, { cause: error, component: file });
  }
  const parsed = parse(text, file);
  if (parsed === undefined) {
    throw new MizuError('LOG_CORRUPT', `${file} is not what Mizu wrote: ${JSON.stringify(text.slice(0, 80))}`, {
      component: file,
      hint: `Expected {"format":${FORMAT},"store":…,"network":…,"epoch":…,"crc":…}, and the check sum of what stands before it. Put back a backup of the whole folder.`,
    });
  }
  return parsed;
}

function parse(text: string, file: string): Sidecar | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, store, network, epoch, crc, ...others } = value as Record<string, unknown>;
  if (typeof format === 'number' && format !== FORMAT && crc === checksumOf({ store, network, epoch }, format))
    throw otherFormat(file, format);
  if (format !== FORMAT || typeof store !== 'string' || typeof network !== 'string') return undefined;
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch) || epoch < 0) return undefined;
  const sidecar = { store, network, epoch };
  return crc === checksumOf(sidecar, FORMAT) && Object.keys(others).length === 0 ? sidecar : undefined;
}

function checksumOf({ store, network, epoch }: Record<keyof Sidecar, unknown>, format: number): number {
  return rowChecksum('sidecar', format, String(store), String(network), Number(epoch));
}

function otherFormat(file: string, format: number): MizuError {
  return new MizuError('USAGE', `${file} says that this log has format ${format}; this version of Mizu reads format ${FORMAT}`, {
    component: file,
    hint: 'Export from it with the version that wrote it, and run again with another --log.',
  });
}

export function sidecarText(sidecar: Sidecar): string {
  const { store, network, epoch } = sidecar;
  return `${JSON.stringify({ format: FORMAT, store, network, epoch, crc: checksumOf(sidecar, FORMAT) })}\n`;
}

/** Replaces the file in one step and makes it durable. The caller holds the write lock, so the epoch never goes back. */
export function writeSidecar(directory: string, sidecar: Sidecar): void {
  const file = join(directory, SIDECAR_NAME);
  const fresh = `${file}.new`;
  const descriptor = openSync(fresh, 'w', 0o644);
  try {
    // A short write does not throw on a full disk, so the count is compared.
    const bytes = Buffer.from(sidecarText(sidecar));
    const written = writeSync(descriptor, bytes);
    if (written !== bytes.length) {
      throw new MizuError('DISK_FULL', `Only ${written} of ${bytes.length} bytes of ${fresh} could be written`, {
        component: file,
        hint: 'Free space on that disk and start again; nothing was lost.',
      });
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(fresh, file);
  syncFolder(dirname(file));
}

/** Makes a rename, or a new file, durable. Windows can't open a folder; there the file system's own journal does it. */
export function syncFolder(directory: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
