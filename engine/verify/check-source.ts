/**
 * The inputs of a run against what its leaves and its program commit to (P7, P13): cuts are those that the program prescribes, the source
 * leaf of every block holds their place and the exact bytes of their records, and the whole source has the digest of the program.
 */
import { createHash } from 'node:crypto';
import type { Log } from '../contract/log.ts';
import type { Program } from '../contract/program.ts';
import { poisonDrop, sourceCommitment } from '../datavm/source-commitment.ts';
import type { Leaf } from '../proof/leaf.ts';
import { outputCommitment } from '../proof/leaf.ts';
import { equalBytes } from '../proof/sha256.ts';
import { readAll } from '../runtime/log-cursor.ts';
import { candidateLimit } from '../runtime/run-context.ts';
import { lengthPrefixed, unpackSource } from '../runtime/source-store.ts';
import type { RunTopics } from '../runtime/topics.ts';
import { placeOf } from './check-leaves.ts';
import type { Report } from './report.ts';
import type { TaskFacts } from './run-reader.ts';

export function checkCut(program: Program, k: number, { cut, accepted }: TaskFacts, report: Report): void {
  const where = `task 0/${k}`;
  const first = k * program.task.size;
  const count = Math.min(program.task.size, candidateLimit(program) - first);
  const ranges = program.source === undefined ? [] : [[0, first, first + count]];
  if (cut.first !== first || cut.count !== count || JSON.stringify(cut.ranges) !== JSON.stringify(ranges)) {
    report(where, `its cut allots ${cut.count} candidates from ${cut.first} on; the program prescribes ${count} from ${first} on`);
  }
  if (!accepted) report(where, 'control never accepted a result of it');
}

/** `records`: of the whole task; absent for a generator. `leaves`: of the task's group. */
export function checkSource(
  program: Program,
  digest: Uint8Array,
  task: TaskFacts,
  records: readonly Uint8Array[] | undefined,
  leaves: readonly Leaf[],
  report: Report,
): void {
  const { cut, poison } = task;
  for (const leaf of leaves) {
    if (leaf.step !== 'source') continue;
    const from = leaf.block * program.block;
    const count = Math.min(program.block, cut.count - from);
    const indices = Array.from({ length: count }, (_, n) => from + n);
    const drops = indices.filter((i) => poison.includes(i)).map((i) => poisonDrop(i, new Uint8Array(0)));
    const { input, effectHash } = sourceCommitment(digest, {
      k: cut.k,
      number: leaf.block,
      first: cut.first + from,
      count,
      records: records?.slice(from, from + count) ?? [],
      drops,
    });
    const { counts } = leaf;
    if (counts.in !== count || counts.failed !== drops.length)
      report(placeOf(leaf), `it takes ${counts.in} candidates and fails ${counts.failed}; control says ${count} and ${drops.length}`);
    if (!equalBytes(leaf.input, input)) report(placeOf(leaf), 'its input is not what control cut');
    else if (!equalBytes(leaf.output, outputCommitment(input, leaf.opDigest, effectHash))) {
      report(
        placeOf(leaf),
        records === undefined
          ? 'its output is not that of its candidates'
          : 'mismatch: the source records on the log are not those that the leaf commits to',
      );
    }
  }
}

/** @returns how many records the source has. */
export async function checkSourceDigest(log: Log, topics: RunTopics, program: Program, report: Report): Promise<number> {
  const hash = createHash('sha256');
  let count = 0;
  for await (const entry of readAll(log, topics.source, 0)) {
    const { from, records } = unpackSource(entry, `${topics.source}, partition 0`);
    if (from !== count || entry.headers['count'] !== String(records.length)) {
      report(
        `${topics.source}, offset ${entry.offset}`,
        `its headers say ${entry.headers['count']} records from ${from} on; it holds ${records.length} from ${count} on`,
      );
    }
    for (const record of records) hash.update(lengthPrefixed(record));
    count += records.length;
  }
  const { source } = program;
  if (source === undefined && count > 0) report(topics.source, `${count} source records are on the log of a program without a source`);
  if (source !== undefined && (count !== source.records || hash.digest('hex') !== source.digest)) {
    report(topics.source, `the ${count} source records on the log are not the ${source.records} that the program names by digest`);
  }
  return count;
}
