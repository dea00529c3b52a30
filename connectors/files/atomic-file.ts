/**
 * A file that is there whole or not at all: written beside its final name, synced, renamed at the end. Short writes are counted and
 * continued (a full disk may shorten one without an exception). What a killed process left beside the name goes when the file is written again.
 */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeFolder, MizuError, processLives } from '#kernel';
import { unwritable } from './file-errors.ts';
import { WRITE_BYTES } from './limits.ts';

export interface WrittenFile {
  /** Inside the folder of the export. */
  readonly name: string;
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

export class AtomicFile {
  readonly #dir: string;
  readonly #name: string;
  readonly #path: string;
  readonly #partial: string;
  readonly #hash = createHash('sha256');
  #descriptor: number | undefined;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #written = 0;

  /** Makes the folder if need be. @throws FILE_UNWRITABLE, as do all methods; after it nothing is left of the file. */
  constructor(dir: string, name: string) {
    this.#dir = dir;
    this.#name = name;
    this.#path = join(dir, name);
    // The process keeps two exports into one folder apart; the last one to end gives its content.
    this.#partial = join(dir, partialName(name, process.pid));
    try {
      makeFolder(dir);
      removeAbandoned(dir, name);
      this.#descriptor = openSync(this.#partial, 'w');
    } catch (error) {
      throw unwritable(this.#path, error);
    }
  }

  /** Takes the bytes; the caller leaves them unchanged. */
  write(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= WRITE_BYTES) this.#flush();
  }

  /** Syncs and gives the file its name. */
  close(): WrittenFile {
    this.#flush();
    try {
      fsyncSync(this.#open());
      this.#shut();
      renameSync(this.#partial, this.#path);
      syncFolder(this.#dir);
    } catch (error) {
      this.discard();
      throw unwritable(this.#path, error);
    }
    return { name: this.#name, bytes: this.#written, sha256: this.#hash.digest('hex') };
  }

  /** Gives the file up. May be called at any time, and twice. */
  discard(): void {
    try {
      this.#shut();
    } finally {
      rmSync(this.#partial, { force: true });
    }
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#hash.update(bytes);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#open(), bytes, at);
    } catch (error) {
      this.discard();
      throw unwritable(this.#path, error);
    }
    this.#written += bytes.length;
  }

  #open(): number {
    if (this.#descriptor === undefined) {
      throw new MizuError('FILE_UNWRITABLE', `${this.#path} was closed or given up before`, { component: this.#path });
    }
    return this.#descriptor;
  }

  #shut(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** The machine is named for folders that several of them see. */
function partialName(name: string, pid: number): string {
  return `.${name}.${hostname()}.${pid}.partial`;
}

/** Removes what processes of this machine that are gone left of the same file. */
function removeAbandoned(dir: string, name: string): void {
  for (const file of readdirSync(dir)) {
    const pid = Number(/\.(\d+)\.partial$/.exec(file)?.[1]);
    if (file === partialName(name, pid) && !processLives(pid)) rmSync(join(dir, file), { force: true });
  }
}

/** Makes the new name durable; some platforms can't open folders, and there the rename itself is what there is. */
function syncFolder(dir: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(dir, 'r');
  } catch {
    return;
  }
  try {
    fsyncSync(descriptor);
  } catch {
    // As above.
  } finally {
    closeSync(descriptor);
  }
}
