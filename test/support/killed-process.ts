/** A process that composes a command as the command does and is killed by SIGKILL at a given moment of it: `node killed-process.ts ORDERS`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { compileFile, deployWorkflow, exportRun, findRun, openLog, openSigner, runWorkflow } from '#topologies';
import { killingLog, type KillMoment, Moments } from './killing-log.ts';

export interface KilledOrders {
  /** Moments of `run` and `deploy` are their writes to the log; those of `export` are its records, and then the signature, when all data files have their names. */
  readonly act: 'run' | 'deploy' | 'export';
  /** Path of the workflow; of an export, its name. */
  readonly what: string;
  readonly log: string;
  readonly out?: string;
  /** Absent: it comes to its end. */
  readonly moment?: KillMoment | undefined;
}

export interface Ended {
  readonly killed: boolean;
  /** How many moments there were, of a process that came to its end. */
  readonly moments: number;
}

export async function playKilled(orders: KilledOrders): Promise<Ended> {
  const child = spawn(process.execPath, [new URL(import.meta.url).pathname, JSON.stringify(orders)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [told, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (signal === 'SIGKILL') return { killed: true, moments: 0 };
  if (code !== 0) throw new Error(`The process that was to be killed ended with ${String(code)}: ${told}`);
  return { killed: false, moments: Number(told) };
}

async function obey({ act, what, log: address, out = '', moment }: KilledOrders): Promise<number> {
  const moments = new Moments(moment);
  const log = killingLog(await openLog(address, { readOnly: act === 'export' }), moments);
  const { signal } = new AbortController();
  try {
    if (act === 'run') await runWorkflow(await compileFile(what), { log, workers: 2, signal });
    else if (act === 'deploy') {
      await deployWorkflow(await compileFile(what), { log, newGeneration: false, env: () => undefined, by: 'nobody', signal });
    } else await exportCounted(log, what, out, moments);
  } finally {
    await log.close();
  }
  return moments.count;
}

async function exportCounted(log: Awaited<ReturnType<typeof openLog>>, name: string, dir: string, moments: Moments): Promise<void> {
  const { publicKey, sign } = openSigner(log);
  const { signal } = new AbortController();
  const count = (): void => void moments.around(() => undefined);
  const signer = {
    publicKey,
    sign: (message: Uint8Array) => {
      count();
      return sign(message);
    },
  };
  await exportRun({ log, run: await findRun(log, name), formats: ['jsonl', 'parquet'], dir, signer, signal, onRecord: count });
}

if (import.meta.main) {
  process.stdout.write(String(await obey(JSON.parse(process.argv[2] ?? '{}') as KilledOrders)));
}
