/**
 * Text files as records: one file, or all files of a folder and its subfolders, in order of the UTF-8 bytes of their paths. A record is
 * uvarint(path length) ‖ path (UTF-8, relative to the folder, `/` between its parts) ‖ the file's exact bytes, so nothing is decoded here.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { MizuError } from '#kernel';
import { unreadable } from './file-errors.ts';
import { RECORD_BYTES_LIMIT, TEXT_FILES_AHEAD, TEXT_FILES_LIMIT } from './limits.ts';

export interface TextFile {
  /** Relative to the source's folder, `/` between parts; the bare name when the source is one file. */
  readonly path: string;
  readonly absolute: string;
}

/**
 * Files are taken whole: hidden ones too; links to files are followed, links to folders are not.
 * @param suffixes only files whose names end with one of these; all when empty.
 * @throws FILE_UNREADABLE, INPUT_INVALID beyond TEXT_FILES_LIMIT.
 */
export async function listTextFiles(root: string, suffixes: readonly string[]): Promise<readonly TextFile[]> {
  const kind = await stat(root).catch((error: unknown) => Promise.reject(unreadable(root, error)));
  if (!kind.isDirectory()) return [{ path: basename(root), absolute: root }];
  const found: { readonly key: Buffer; readonly file: TextFile }[] = [];
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const here = join(root, folder);
    const entries = await readdir(here, { withFileTypes: true }).catch((error: unknown) => Promise.reject(unreadable(here, error)));
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      const absolute = join(here, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (matches(entry.name, suffixes) && (entry.isFile() || (entry.isSymbolicLink() && (await isFile(absolute))))) {
        found.push({ key: Buffer.from(path), file: { path, absolute } });
      }
    }
    if (found.length > TEXT_FILES_LIMIT) {
      throw new MizuError('INPUT_INVALID', `${root} holds more than ${TEXT_FILES_LIMIT} files`, {
        component: root,
        hint: 'Put the texts into a JSONL file, or split the folder.',
      });
    }
  }
  return found.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ file }) => file);
}

/**
 * Reads TEXT_FILES_AHEAD files ahead of the consumer: small files cost waiting, not bandwidth (6,046 mails: 2.5 s one by one).
 * @throws FILE_UNREADABLE, INPUT_INVALID beyond RECORD_BYTES_LIMIT.
 */
export async function* textRecords(files: readonly TextFile[], from: number): AsyncGenerator<Uint8Array> {
  const ahead: Promise<Uint8Array>[] = [];
  let next = from;
  const fill = (): void => {
    for (; ahead.length < TEXT_FILES_AHEAD && next < files.length; next += 1) {
      const file = files[next];
      if (file === undefined) continue;
      const reading = textRecord(file);
      // Looked at when its turn comes; until then a failure must not count as unhandled.
      reading.catch(() => undefined);
      ahead.push(reading);
    }
  };
  fill();
  for (let reading = ahead.shift(); reading !== undefined; reading = ahead.shift()) {
    fill();
    yield await reading;
  }
}

async function textRecord({ path, absolute }: TextFile): Promise<Uint8Array> {
  const name = Buffer.from(path);
  const { size } = await stat(absolute).catch((error: unknown) => Promise.reject(unreadable(absolute, error)));
  const body =
    size > RECORD_BYTES_LIMIT ? undefined : await readFile(absolute).catch((error: unknown) => Promise.reject(unreadable(absolute, error)));
  if (body === undefined || name.length + body.length + MAX_LENGTH_BYTES > RECORD_BYTES_LIMIT) {
    throw new MizuError('INPUT_INVALID', `${absolute} holds ${size} bytes; a record may hold ${RECORD_BYTES_LIMIT}`, {
      component: absolute,
      hint: 'Split the file; a text source makes one record of each file.',
    });
  }
  return new Uint8Array(Buffer.concat([unsignedVarint(name.length), name, body]));
}

/** Of a uvarint up to 2^28. */
const MAX_LENGTH_BYTES = 4;

/** LEB128: seven bits a byte, least significant first, the top bit says that more follow. */
function unsignedVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

const matches = (name: string, suffixes: readonly string[]): boolean =>
  suffixes.length === 0 || suffixes.some((suffix) => name.endsWith(suffix));

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
