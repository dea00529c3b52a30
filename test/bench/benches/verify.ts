/** W1 by `mizu run`, then what others do with its log: replay all of it, verify it, prove records and check the proofs. Goals are of the product, not of a peer. */
import { inFolder, judgedExport, runOn } from '../engines/embedded.ts';
import { forgetCached, provedRecords, replayed, verified } from '../engines/proved-run.ts';
import type { Bench } from '../harness/bench.ts';
import type { Side } from '../harness/result.ts';
import { machine, median, summarise } from '../harness/result.ts';
import { w1File, w1Reference } from '../w1/data.ts';

const DEFAULT_RECORDS = 200_000;
/** Looks at a run whose files are in the system's cache. */
const WARM_LOOKS = 3;

export const verify: Bench = async (options) => {
  const records = options.records ?? DEFAULT_RECORDS;
  const file = w1File(records);
  const input = { file, records, reference: await w1Reference(file) };
  const runs: Side[] = [];
  for (let n = 0; n < options.repeat; n++) {
    runs.push(
      await inFolder(options, async (folder): Promise<Side> => {
        const log = `${folder}/log`;
        options.note('running');
        const played = await runOn(log, input, options);
        const exact = await judgedExport(log, input, played);
        options.note('replaying');
        const replay = (await replayed(log, options.workers)).said;
        options.note('verifying');
        const first = forgetCached(log) ? (await verified(log)).seconds : undefined;
        const looks = [];
        for (let look = 0; look < WARM_LOOKS; look++) looks.push(await verified(log));
        const { tasks = 0, verifierKey = '' } = looks[0]?.said ?? {};
        options.note('proving');
        const proof = await provedRecords(log, tasks, verifierKey);
        const replaySeconds = replay.seconds ?? Number.NaN;
        return {
          name: 'mizu',
          recordsPerSecond: records / played.seconds,
          cpuSecondsPerMillion: (played.cpuSeconds * 1e6) / records,
          figures: {
            'replay, records/s': records / replaySeconds,
            'replay over run': played.seconds / replaySeconds,
            'verify, files not cached, s': first,
            'verify, files cached, s': median(looks.map(({ seconds }) => seconds)),
            'proof, bytes': proof.bytes,
            'prove as a command, ms': proof.proveSeconds * 1000,
            'check of a proof, the first, ms': proof.firstCheckMs,
            'check of a proof, ms': proof.checkMs,
            'check as a command, ms': proof.checkSeconds * 1000,
          },
          exact,
        };
      }),
    );
  }
  const { name: _, ...own } = summarise(runs);
  const goals =
    'goals: replay over run from 1 on; verify of 1,000,000 records under 3 s; a proof under 10,000 bytes, checked in under 50 ms';
  return { bench: 'verify', machine: machine(), repeat: options.repeat, ...own, peers: [], notes: [goals] };
};
