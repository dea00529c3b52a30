/** `npm run bench -- NAME [options]`: runs one benchmark; a table for people, with --json an object as the last line of standard output. */
import { parseArgs } from 'node:util';
import { dedup } from './benches/dedup.ts';
import { dispatch } from './benches/dispatch.ts';
import { gateway } from './benches/gateway.ts';
import { growth } from './benches/growth.ts';
import { latency } from './benches/latency.ts';
import { memory } from './benches/memory.ts';
import { proofs } from './benches/proofs.ts';
import { recovery } from './benches/recovery.ts';
import { startup } from './benches/startup.ts';
import { verify } from './benches/verify.ts';
import { w1Datavm } from './benches/w1-datavm.ts';
import { w1Embedded } from './benches/w1-embedded.ts';
import { w1Kafka } from './benches/w1-kafka.ts';
import { baselineFile, baselineKey, differenceLines, figuresOf, readBaseline, saveBaseline } from './harness/baseline.ts';
import type { Bench, BenchOptions } from './harness/bench.ts';
import { Cleanup } from './harness/cleanup.ts';
import { type BenchResult, tableOf } from './harness/result.ts';

const BENCHES: Readonly<Record<string, Bench>> = {
  'w1-kafka': w1Kafka,
  latency,
  recovery,
  memory,
  dispatch,
  gateway,
  startup,
  'w1-embedded': w1Embedded,
  'w1-datavm': w1Datavm,
  proofs,
  verify,
  dedup,
  growth,
};

/** Whose worker threads are those of `mizu run`. */
const ON_ONE_MACHINE = new Set(['w1-embedded', 'proofs', 'verify', 'growth']);

const HELP = `npm run bench -- NAME [options]
  names             ${Object.keys(BENCHES).join(', ')}
  --json            the result as one JSON object in the last line
  --records N       input records; dedup: different keys; growth: of the smaller run
  --repeat N        runs of each side, which take turns; medians are shown (default 1)
  --nodes N         Mizu's node processes (default 2)
  --workers N       worker threads of each node (default 1), or of mizu run (default 2)
  --sides LIST      mizu, peer or both with a comma between (default both)
  --rate N          latency, memory: records offered per second (default 5000; memory: as many as Mizu takes)
  --minutes N       memory: measured time, after a minute of warm-up (default 10)
  --save            keep this run's figures as this machine's baseline; the first run does so by itself
  --baseline FILE   compare with this file, in place of the machine's own in the user's cache folder
  --broker ADDRESS  host:port of a running broker; without it one is started
  --broker-pid PID  its process, so that its CPU time can be read
`;

const OPTIONS = {
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  records: { type: 'string' },
  repeat: { type: 'string', default: '1' },
  nodes: { type: 'string', default: '2' },
  workers: { type: 'string' },
  sides: { type: 'string', default: 'mizu,peer' },
  rate: { type: 'string' },
  minutes: { type: 'string', default: '10' },
  broker: { type: 'string' },
  'broker-pid': { type: 'string' },
  save: { type: 'boolean', default: false },
  baseline: { type: 'string' },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>['values'];

class UsageError extends Error {}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new UsageError(`--${name} is a whole number from 1 on, not '${text}'`);
  return value;
}

function toOptions(values: Values, bench: string, cleanup: Cleanup): BenchOptions {
  const optional = (name: 'records' | 'workers' | 'rate' | 'broker-pid'): number | undefined => {
    const text = values[name];
    return text === undefined ? undefined : wholeNumber(name, text);
  };
  const sides = new Set(values.sides.split(','));
  for (const side of sides) if (side !== 'mizu' && side !== 'peer') throw new UsageError(`--sides takes mizu and peer, not '${side}'`);
  return {
    records: optional('records'),
    repeat: wholeNumber('repeat', values.repeat),
    nodes: wholeNumber('nodes', values.nodes),
    workers: optional('workers') ?? (ON_ONE_MACHINE.has(bench) ? 2 : 1),
    broker: values.broker === undefined ? undefined : { address: values.broker, pid: optional('broker-pid') },
    sides: sides as ReadonlySet<'mizu' | 'peer'>,
    rate: optional('rate'),
    minutes: wholeNumber('minutes', values.minutes),
    cleanup,
    note: (text) => process.stderr.write(`${text}\n`),
  };
}

/** How this run differs from the baseline; and where that was kept, if it is now this run. */
function compared(result: BenchResult, values: Values, options: BenchOptions): string[] {
  const key = baselineKey(result, options);
  const file = values.baseline ?? baselineFile(result.bench, key);
  const before = readBaseline(file, key);
  const figures = figuresOf(result);
  const lines = before === undefined ? [] : ['', `baseline of ${before.savedAt.slice(0, 16)}`, ...differenceLines(before.figures, figures)];
  if (before !== undefined && !values.save) return lines;
  if (!isExact(result)) return [...lines, 'note: no baseline was kept: the run is not exact'];
  saveBaseline(file, { key, savedAt: new Date().toISOString(), figures });
  return [...lines, `baseline kept in ${file}`];
}

function isExact(result: BenchResult): boolean {
  return [result, ...result.peers].every(({ exact }) => exact?.ok !== false);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ args: process.argv.slice(2), options: OPTIONS, allowPositionals: true });
  const [name = ''] = positionals;
  const bench = BENCHES[name];
  if (values.help || bench === undefined) {
    process.stderr.write(name === '' || values.help ? HELP : `There is no benchmark '${name}'.\n${HELP}`);
    return values.help ? 0 : 2;
  }
  const cleanup = new Cleanup();
  try {
    const options = toOptions(values, name, cleanup);
    const result = await bench(options);
    process.stdout.write(`${[tableOf(result), ...compared(result, values, options)].join('\n')}\n`);
    if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    return isExact(result) ? 0 : 1;
  } finally {
    await cleanup.run();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  const usage = error instanceof UsageError || String((error as { readonly code?: unknown }).code).startsWith('ERR_PARSE_ARGS');
  process.stderr.write(usage ? `${(error as Error).message}\n${HELP}` : `${(error as Error).stack}\n`);
  process.exitCode = usage ? 2 : 1;
}
