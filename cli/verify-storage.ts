/** `mizu verify NAME --deep`: whether the store gives back what was written to it, byte by byte. */
import type { Json, Log, StorageReport } from '#engine';
import { checkStorage } from '#engine';
import { findRun } from '#topologies';
import type { Context } from './context.ts';
import { bytesText, columns, grouped } from './format.ts';

/** All of a folder, as it is one file; on Kafka the topics of the run. */
export async function lookDeep(log: Log, name: string): Promise<StorageReport> {
  if (log.inspect !== undefined) return checkStorage(log, '');
  const { run } = await findRun(log, name);
  return checkStorage(log, `${run.name}.${run.generation}.`);
}

export function storageText({ out }: Context, { topics, entries, bytes, problems, hint }: StorageReport): string {
  const read = `${grouped(entries)} entries of ${grouped(topics)} topics, ${bytesText(bytes)}, were read`;
  if (problems.length === 0) return `  storage       ${read}, and every check sum holds`;
  const rows = problems.map(({ where, message }) => [where, message]);
  const lines = [out.style('red', `  storage       ${read}; damaged:`), columns(rows, [], '    ')];
  return [...lines, ...(hint === undefined ? [] : [`  try: ${hint}`])].join('\n');
}

export function storageJson({ problems, hint, ...counts }: StorageReport): Json {
  return { ok: problems.length === 0, ...counts, problems: problems.map((problem): Json => ({ ...problem })), hint: hint ?? null };
}
