/** Certificates and secrets that stand in files. */
import { readFileSync } from 'node:fs';
import { MizuError, messageOf } from '#engine';

/** @throws FILE_UNREADABLE */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new MizuError('FILE_UNREADABLE', `Can't read ${file}: ${messageOf(error)}`, { component: file, cause: error });
  }
}
