/** What a node needs of its machine beside exact results: tried, not asked. */
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { constrainedMemory, memoryUsage, versions } from 'node:process';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { messageOf, readKeyFile } from '#engine';

/** Less free space than this is used up by the log of one large run. */
const LEAST_DISK_BYTES = 1024 * 1024 * 1024;
/** One process with two worker threads and its index takes up to 400 MB. */
const LEAST_MEMORY_BYTES = 512 * 1024 * 1024;
/** No clock of today is before it. */
const CLOCK_LEAST = Date.UTC(2026, 0, 1);

export interface MachineCheck {
  readonly name: string;
  readonly ok: boolean;
  /** What was found; for one that failed, what to do as well. */
  readonly detail: string;
}

export interface MachinePlace {
  /** Folder of the log, or where keys of a log on a cluster lie; made if it is not there. */
  readonly folder: string;
  readonly keyFile: string;
  /** What is wrong with this version of Node; undefined for one that will do. */
  readonly nodeProblem: string | undefined;
}

/** In order of what depends on what. Nothing is left behind but the folder. */
export async function checkMachine({ folder, keyFile, nodeProblem }: MachinePlace): Promise<MachineCheck[]> {
  return [
    {
      name: 'node',
      ok: nodeProblem === undefined,
      detail: nodeProblem ?? `${versions.node}, Unicode ${versions['unicode']}, ${process.platform} ${process.arch}`,
    },
    await attempt('sqlite', checkSqlite),
    await attempt('threads', checkThreads),
    memory(),
    await attempt('disk', () => checkDisk(folder)),
    await attempt('key', () => checkKey(keyFile)),
    { name: 'clock', ok: true, detail: clock() },
  ];
}

async function attempt(name: string, check: () => Promise<string> | string): Promise<MachineCheck> {
  try {
    return { name, ok: true, detail: await check() };
  } catch (error) {
    return { name, ok: false, detail: messageOf(error) };
  }
}

async function checkSqlite(): Promise<string> {
  const { DatabaseSync } = await import('node:sqlite');
  const db = new DatabaseSync(':memory:');
  try {
    const row = db.prepare('SELECT sqlite_version() AS version').get();
    return String(row?.['version']);
  } finally {
    db.close();
  }
}

/** A thread answers, and a buffer is moved to it. */
function checkThreads(): Promise<string> {
  const code =
    "const { parentPort } = require('node:worker_threads'); parentPort.once('message', (bytes) => parentPort.postMessage(bytes.byteLength));";
  const worker = new Worker(code, { eval: true });
  return new Promise<string>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (length: number) => resolve(`a thread took ${length} bytes and answered`));
    const bytes = new ArrayBuffer(1_000);
    worker.postMessage(bytes, [bytes]);
  });
}

function memory(): MachineCheck {
  const limit = constrainedMemory();
  const bytes = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  const megabytes = Math.round(bytes / 1e6);
  const ok = bytes >= LEAST_MEMORY_BYTES;
  const detail = `${megabytes} MB for this process, which holds ${Math.round(memoryUsage.rss() / 1e6)} now`;
  return { name: 'memory', ok, detail: ok ? detail : `${detail}; a node takes ${Math.round(LEAST_MEMORY_BYTES / 1e6)} or more` };
}

/** Writes, flushes and reads back; space is asked of the file system. */
function checkDisk(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const own = mkdtempSync(join(folder, 'doctor-'));
  try {
    const path = join(own, 'probe');
    const file = openSync(path, 'wx');
    try {
      writeSync(file, 'mizu');
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    const detail = `${folder} takes and flushes ${readFileSync(path).length} bytes, ${Math.round(free / 1e6)} MB are free`;
    if (free < LEAST_DISK_BYTES) return `${detail}: little for a log`;
    return detail;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

function checkKey(keyFile: string): string {
  const signer = readKeyFile(keyFile);
  return signer === undefined ? `${keyFile} is made on first use` : `${keyFile} is its owner's alone`;
}

/** For information: nothing that is signed holds a time. */
function clock(): string {
  const now = new Date();
  const early = now.getTime() < CLOCK_LEAST ? ', which can not be: set it, or certificates of brokers and models will be refused' : '';
  return `${now.toISOString()}${early}; decides nothing that is signed`;
}
