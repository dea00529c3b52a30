/** Writes one file that is there whole or not at all. */
import { basename, dirname } from 'node:path';
import type { WrittenFile } from '#connectors/files';
import { AtomicFile } from '#connectors/files';

/** @throws FILE_UNWRITABLE. */
export function writeFileWhole(path: string, bytes: Uint8Array): WrittenFile {
  const file = new AtomicFile(dirname(path), basename(path));
  file.write(bytes);
  return file.close();
}
