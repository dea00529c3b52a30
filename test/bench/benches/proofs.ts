/**
 * What proofs cost on W1, on against off in turn, each in a process of its own: through the DataVM alone, and by `mizu run`. Off is a preload of this
 * benchmark (`proofs/off.ts`): the same records from the same bytes, and nothing that commits to them.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DatavmPlay } from '../engines/datavm.ts';
import { inFolder, runOn, sideOf } from '../engines/embedded.ts';
import type { Bench } from '../harness/bench.ts';
import type { Figures, Side } from '../harness/result.ts';
import { machine } from '../harness/result.ts';
import { sideBySide } from '../harness/side-by-side.ts';
import { w1File } from '../w1/data.ts';

const DEFAULT_RECORDS = 200_000;
export const PLAYER = join(import.meta.dirname, '../proofs/main.ts');
export const OFF = join(import.meta.dirname, '../proofs/off.ts');

const execute = promisify(execFile);

const SIDES = [
  { name: 'mizu', side: 'mizu', preload: [] },
  { name: 'proofs off', side: 'peer', preload: ['--import', OFF] },
] as const;

export const proofs: Bench = async (options) => {
  const records = options.records ?? DEFAULT_RECORDS;
  const file = w1File(records);
  const input = { file, records };
  const made = new Set<string>();
  const result = await sideBySide('proofs', { options, machine: machine(), engines: SIDES }, async ({ name, preload }) => {
    const { stdout } = await execute(process.execPath, [...preload, PLAYER, file]);
    const { side: alone, records: digest } = JSON.parse(stdout) as DatavmPlay;
    const played = await inFolder(options, (folder) => runOn(join(folder, 'log'), input, options, preload));
    made.add(`${digest} ${played.accepted} ${played.failed}`);
    const whole = sideOf(name, input, played, alone.exact);
    return { ...whole, figures: { ...whole.figures, ...figuresAlone(alone) } };
  });
  if (made.size > 1) throw new Error('with proofs off, other records were made');
  const [on, off] = [result.figures?.[ALONE_CPU], result.peers[0]?.figures[ALONE_CPU]];
  if (on === undefined || off === undefined) return result;
  const notes = [
    `through the DataVM alone proofs cost ${(on - off).toFixed(1)} µs of CPU a record; both sides made the same records and drops; a log without proofs can't be exported, so runs are compared by their counts`,
    'goal: at most 1.2 times the CPU of a whole run',
  ];
  return { ...result, notes: [...result.notes, ...notes] };
};

const ALONE_CPU = 'DataVM alone: CPU-s per million';

function figuresAlone({ recordsPerSecond, cpuSecondsPerMillion, figures }: Side): Figures {
  const parts = Object.entries(figures).map(([name, value]) => [`DataVM alone: ${name}`, value]);
  return { 'DataVM alone: records/s': recordsPerSecond, [ALONE_CPU]: cpuSecondsPerMillion, ...Object.fromEntries(parts) };
}
