/** Small tools of every suite that writes to a log and reads it back. */
import { type Append, type CommitOutcome, type Log, type LogEntry, type LogWriter, type Offset, offset, type ReadOptions } from '#engine';

export const START: Offset = offset(0);

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(value: Uint8Array | undefined): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value);
}

/** An append of a short text. */
export function note(topic: string, partition: number, value: string): Append {
  return { topic, partition, value: bytes(value) };
}

/** Everything committed in a partition, pulled piece by piece. */
export async function readAll(log: Log, topic: string, partition: number, options?: ReadOptions): Promise<LogEntry[]> {
  const all: LogEntry[] = [];
  let from = START;
  for (;;) {
    const { entries, next } = await log.read(topic, partition, from, options);
    if (entries.length === 0) return all;
    all.push(...entries);
    from = next;
  }
}

export async function readTexts(log: Log, topic: string, partition: number): Promise<string[]> {
  return (await readAll(log, topic, partition)).map(({ value }) => text(value));
}

/** Commits what must succeed, waits until it can be read, and gives its offsets. */
export async function commitVisibly(writer: LogWriter, appends: readonly Append[]): Promise<readonly Offset[]> {
  const offsets = committedOffsets(await writer.commit(appends));
  await writer.waitVisible();
  return offsets;
}

export function committedOffsets(outcome: CommitOutcome): readonly Offset[] {
  if (outcome.status !== 'committed') throw outcome.error;
  return outcome.offsets;
}

/** The code of the error that an outcome carries; `none` for a committed one. */
export function outcomeCode(outcome: CommitOutcome): string {
  if (outcome.status === 'committed') return 'none';
  return codeOf(outcome.error);
}

export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);
}

/** What a promise was rejected with. @throws when it was not. */
export async function rejection(
  promise: Promise<unknown>,
): Promise<Error & { readonly code?: string; readonly hint?: string | undefined }> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error('Expected an error, but the promise was fulfilled');
}
