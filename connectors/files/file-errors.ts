/** What the operating system says about a file, as an error that names the file and what to try (law 10). */
import { MizuError } from '#kernel';
import type { ErrorCode } from '#kernel';

const REASONS: Readonly<Record<string, readonly [text: string, hint: string]>> = {
  ENOENT: ['there is no such file or folder', 'Check the path; a path in a workflow is relative to the workflow file.'],
  ENOTDIR: ['a part of the path is a file, not a folder', 'Check the path.'],
  EISDIR: ['it is a folder', 'Name a file.'],
  EACCES: ['permission denied', 'Check the permissions of the file and of its folder.'],
  EPERM: ['operation not permitted', 'Check the permissions of the file and of its folder.'],
  EROFS: ['the file system is read-only', 'Choose a folder on a writable disk.'],
  ENOSPC: ['the disk is full', 'Free some space or choose a folder on another disk, then start the export again.'],
  EDQUOT: ['the disk quota is used up', 'Free some space or choose a folder on another disk, then start the export again.'],
  EFBIG: [
    'the file may not grow further (a limit of the shell or of the file system)',
    'Raise the limit (`ulimit -f`) or choose a folder on another disk, then start the export again.',
  ],
  EMFILE: ['too many files are open', 'Raise the limit of open files.'],
};

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

export function fileError(code: ErrorCode, doing: 'read' | 'write', path: string, cause: unknown): MizuError {
  if (cause instanceof MizuError) return cause;
  const [text, hint] = REASONS[codeOf(cause)] ?? [cause instanceof Error ? cause.message : String(cause), undefined];
  return new MizuError(code, `Cannot ${doing} ${path}: ${text}`, { cause, component: path, ...(hint === undefined ? {} : { hint }) });
}

export const unreadable = (path: string, cause: unknown): MizuError => fileError('FILE_UNREADABLE', 'read', path, cause);
export const unwritable = (path: string, cause: unknown): MizuError => fileError('FILE_UNWRITABLE', 'write', path, cause);
