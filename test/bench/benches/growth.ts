/** W1 by `mizu run` at two sizes in one invocation, the larger one four times the smaller: time per record and memory should not grow with the run. */
import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { mizuRun, type W1Input } from '../engines/embedded.ts';
import type { Bench } from '../harness/bench.ts';
import type { Side } from '../harness/result.ts';
import { machine } from '../harness/result.ts';
import { sideBySide } from '../harness/side-by-side.ts';
import { w1File, w1Reference } from '../w1/data.ts';

const DEFAULT_RECORDS = 1_000_000;
const TIMES = 4;
/** Of a record while its run is exported: its line, 3.3 KB on the log, and what is exported. */
const DISK_BYTES_PER_RECORD = 6_000;
const GIGABYTE = 1e9;

export const growth: Bench = async (options) => {
  const small = options.records ?? DEFAULT_RECORDS;
  const needed = small * TIMES * DISK_BYTES_PER_RECORD;
  const { bavail, bsize } = statfsSync(tmpdir());
  if (bavail * bsize < needed)
    throw new Error(
      `${tmpdir()} has ${gigabytes(bavail * bsize)} free, and ${gigabytes(needed)} are needed: take fewer --records, or another TMPDIR`,
    );
  const engines = [
    { name: 'mizu', side: 'mizu', records: small * TIMES },
    { name: `mizu, ${small.toLocaleString('en')} records`, side: 'peer', records: small },
  ] as const;
  const result = await sideBySide('growth', { options, machine: machine(), engines }, async ({ name, records }) => {
    const side = await mizuRun.play(await inputOf(records), options);
    return {
      ...side,
      name,
      figures: { records, 'µs per record': ((side.figures['seconds'] ?? 0) * 1e6) / records, ...side.figures },
    } satisfies Side;
  });
  const goals = 'goals: µs per record at most 1.1 times those of the smaller run, and peak memory no more';
  return { ...result, notes: [...result.notes, goals] };
};

async function inputOf(records: number): Promise<W1Input> {
  const file = w1File(records);
  return { file, records, reference: await w1Reference(file) };
}

function gigabytes(bytes: number): string {
  return `${(bytes / GIGABYTE).toFixed(1)} GB`;
}
