/**
 * Translates what SQLite throws into the closed list of codes (law 10). Result codes: sqlite.org/rescode.html; the low
 * byte is the primary code, SQLite reports ENOSPC as SQLITE_FULL.
 */
import { messageOf, MizuError } from '#engine';

const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_CONSTRAINT = 19;
const SQLITE_NOTADB = 26;
const SQLITE_IOERR_SHORT_READ = 522;
const SQLITE_IOERR_WRITE = 778;

/** SQLite's extended result code, if the error came from SQLite. */
function resultCode(error: unknown): number | undefined {
  if (error instanceof Error && 'errcode' in error && typeof error.errcode === 'number') return error.errcode;
  return undefined;
}

/** True if another connection holds the lock, so that trying again soon is the answer. */
export function isBusy(error: unknown): boolean {
  const primary = (resultCode(error) ?? 0) & 0xff;
  return primary === SQLITE_BUSY || primary === SQLITE_LOCKED;
}

export function corrupt(file: string, what: string, cause?: unknown): MizuError {
  return new MizuError('LOG_CORRUPT', `The log file ${file} is damaged: ${what}`, {
    ...(cause === undefined ? {} : { cause }),
    component: file,
    hint: 'Nothing damaged is served. Stop every process that uses this log, keep a copy of its folder, and put back a backup of the whole folder.',
  });
}

export function diskFull(file: string, what: string, cause?: unknown): MizuError {
  return new MizuError('DISK_FULL', `The log ${file} can't grow: ${what}`, {
    ...(cause === undefined ? {} : { cause }),
    component: file,
    hint: 'Nothing committed was lost and nothing was half written. Free space on that disk (or raise the size limit of the log), then start the same command again: it goes on where it stopped.',
  });
}

/** A write that the system refused for another reason than ENOSPC; it says none of them to SQLite. */
function notWritten(file: string, what: string, cause: unknown): MizuError {
  return new MizuError(
    'DISK_FULL',
    `The log ${file} can't grow: ${what}; a quota is used up, the file may not be longer, or the disk failed`,
    {
      cause,
      component: file,
      hint: 'Nothing committed was lost and nothing was half written. Raise the quota or the largest size of a file (`ulimit -f`); where there is neither, look at the system log for disk errors. Then start the same command again: it goes on where it stopped.',
    },
  );
}

/** Of the file system itself, where it refuses more bytes. */
const NO_MORE_BYTES = ['ENOSPC', 'EDQUOT', 'EFBIG'];
const NO_ACCESS = ['EACCES', 'EPERM'];

/** What Node calls it, if it was not SQLite that failed. */
const systemCode = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');

function unwritable(file: string, what: string, cause: unknown): MizuError {
  return new MizuError('FILE_UNWRITABLE', `The log file ${file} can't be written: ${what}`, {
    cause,
    component: file,
    hint: 'Give this user write access to the folder and the files in it, or open the log for reading only.',
  });
}

function unopened(file: string, what: string, cause: unknown): MizuError {
  return new MizuError('FILE_UNREADABLE', `The log file ${file} can't be opened: ${what}`, {
    cause,
    component: file,
    hint: 'Check that the folder exists and that this user may read and write in it.',
  });
}

/** The MizuError for anything thrown while the file was used; MizuErrors pass through. */
export function translate(error: unknown, file: string): MizuError {
  if (error instanceof MizuError) return error;
  const code = resultCode(error);
  const detail = messageOf(error);
  if (code === undefined) {
    if (NO_MORE_BYTES.includes(systemCode(error))) return diskFull(file, detail, error);
    if (NO_ACCESS.includes(systemCode(error))) return unopened(file, detail, error);
    if (systemCode(error) === 'EROFS') return unwritable(file, detail, error);
    // A number in a column that is too large to be one of ours.
    if (systemCode(error) === 'ERR_OUT_OF_RANGE') return corrupt(file, detail, error);
    return new MizuError('INTERNAL', `The embedded log ${file} failed: ${detail}`, { cause: error, component: file });
  }
  if (code === SQLITE_IOERR_WRITE) return notWritten(file, detail, error);
  if (code === SQLITE_IOERR_SHORT_READ) return corrupt(file, 'it is shorter than it should be', error);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return diskFull(file, detail, error);
    // A statement that names a missing table: the schema itself is gone. A constraint: rows above the head, or two of one id.
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return corrupt(file, detail, error);
    case SQLITE_READONLY:
      return unwritable(file, detail, error);
    case SQLITE_CANTOPEN:
      return unopened(file, detail, error);
    case SQLITE_IOERR:
      return new MizuError('LOG_UNAVAILABLE', `Reading or writing ${file} failed: ${detail}`, {
        cause: error,
        component: file,
        hint: 'The disk or the file system reported an error; look at the system log, then start again.',
      });
    default:
      return new MizuError('LOG_UNAVAILABLE', `The log file ${file} can't be used: ${detail} (SQLite ${code})`, {
        cause: error,
        component: file,
      });
  }
}
