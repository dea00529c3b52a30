/** `npm run faults -- --seeds A..B [--log embedded|kafka]`: plays the plans of these seeds one after the other, and says which laws broke. */
import { parseArgs } from 'node:util';
import { type LogKind, planOf } from './plan.ts';
import { play } from './play.ts';

const USAGE = 'npm run faults -- [--seeds A..B | --seeds A] [--log embedded|kafka]; default: --seeds 0..9, both logs';

function seedsOf(text: string): readonly [number, number] | undefined {
  const match = /^(\d{1,6})(?:\.\.(\d{1,6}))?$/.exec(text);
  if (match === null) return undefined;
  const from = Number(match[1]);
  return [from, Number(match[2] ?? match[1])];
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { seeds: { type: 'string', default: '0..9' }, log: { type: 'string' } } });
  const seeds = seedsOf(values.seeds);
  const logs: readonly LogKind[] = values.log === undefined ? ['embedded', 'kafka'] : values.log === 'kafka' ? ['kafka'] : ['embedded'];
  if (seeds === undefined || !['embedded', 'kafka', undefined].includes(values.log)) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const broken: string[] = [];
  let played = 0;
  let faults = 0;
  for (let seed = seeds[0]; seed <= seeds[1]; seed++) {
    for (const log of logs) {
      const result = await play(planOf(seed, log), (text) => process.stdout.write(`${text}\n`));
      played++;
      faults += result.met;
      const verdict = result.problems.length === 0 ? 'every law held' : `BROKEN\n${result.problems.join('\n')}`;
      process.stdout.write(
        `seed ${seed} on ${log}: ${result.met} faults, ${result.records} records, ${result.seconds.toFixed(1)} s: ${verdict}\n\n`,
      );
      if (result.problems.length > 0) broken.push(`--seeds ${seed} --log ${log}`);
    }
  }
  process.stdout.write(`${played} plans, ${faults} faults; broken: ${broken.length === 0 ? 'none' : broken.join('; ')}\n`);
  return broken.length === 0 ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
process.exitCode = await main();
