/**
 * Exact dedup of many keys: W1's dedup with the product's own index, and a plain Set of texts, in turn, each in a process of its own, with the same records.
 * Every verdict must be the same. Beside it, how often the filter before the disk is wrong, against its formula.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bloomRates } from '../dedup/bloom.ts';
import type { DedupPlay } from '../dedup/main.ts';
import { inFolder } from '../engines/embedded.ts';
import type { Bench } from '../harness/bench.ts';
import type { Side } from '../harness/result.ts';
import { machine } from '../harness/result.ts';
import { sideBySide } from '../harness/side-by-side.ts';

const DEFAULT_KEYS = 10_000_000;
/** Keys of the filter that is measured: its rate is about 1 %, so 10,000 of as many questions are wrong. */
const BLOOM_KEYS = 1_000_000;
const PLAYER = join(import.meta.dirname, '../dedup/main.ts');
const MEGABYTE = 1e6;

const execute = promisify(execFile);

const ENGINES = [
  { name: 'mizu', side: 'mizu', args: [PLAYER, 'mizu'] },
  // It needs more than Node allows by itself.
  { name: 'Set', side: 'peer', args: ['--max-old-space-size=8192', PLAYER, 'set'] },
] as const;

export const dedup: Bench = async (options) => {
  const keys = options.records ?? DEFAULT_KEYS;
  const { measured, expected } = bloomRates(BLOOM_KEYS);
  const verdicts = new Set<string>();
  const result = await sideBySide('dedup', { options, machine: machine(), engines: ENGINES }, async ({ name, args }) => {
    const { stdout } = await inFolder(options, (folder) => execute(process.execPath, [...args, String(keys), folder]));
    const play = JSON.parse(stdout) as DedupPlay;
    verdicts.add(play.verdicts);
    return sideOf(name, play, keys);
  });
  if (verdicts.size > 1) throw new Error('the two do not give every record the same verdict');
  return {
    ...result,
    notes: [
      ...result.notes,
      `both gave every record the same verdict: SHA-256 ${[...verdicts].join().slice(0, 16)}…`,
      `filter with ${BLOOM_KEYS.toLocaleString('en')} keys: wrong about ${(measured * 100).toFixed(3)} % of others, ${(measured / expected).toFixed(3)} times its formula (goal 1.2)`,
    ],
  };
};

function sideOf(name: string, { records, duplicates, seconds, startBytes, peakBytes, index }: DedupPlay, keys: number): Side {
  return {
    name,
    recordsPerSecond: records / seconds,
    figures: {
      'µs per record': (seconds * 1e6) / records,
      'different keys': keys,
      duplicates,
      'peak memory, MB': peakBytes / MEGABYTE,
      'bytes of memory per key': (peakBytes - startBytes) / keys,
      ...(index === undefined
        ? {}
        : {
            'index in memory, MB': index.memory / MEGABYTE,
            'index on disk, MB': index.disk / MEGABYTE,
            'asked the disk in vain': index.inVain,
          }),
    },
  };
}
