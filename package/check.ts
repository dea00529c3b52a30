/** Checks a run from its log, and a record from its proof alone. */
import type { Log, RecordProof, ReplayReport, TaskRange, VerifyReport } from '#engine';
import { parseRecordId, proveRecord, replayRun, verifyRun } from '#engine';
import { defaultWorkers, findRun, openExternal, recordedAnswers, registry, temporaryStorage, WORKER_URL } from '#topologies';

export interface VerifyOptions {
  /** C2SP verifier key that you trust. Without it the key is taken from the log, which then says nothing about who signed. */
  readonly verifierKey?: string;
}

/**
 * Signatures, tree, inclusion, counts, and that nothing vanished; executes nothing.
 * @param name of the run: NAME for its newest generation, or NAME/GENERATION.
 * @returns `ok`, and what is wrong in `problems`.
 * @throws MizuError NOT_FOUND; CHECK_FAILED for a run of which nothing is signed yet; KEY_INVALID; LOG_CORRUPT.
 */
export async function verify(log: Log, name: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const external = openExternal(log, (variable) => process.env[variable]);
  return verifyRun(log, await findRun(log, name), { verifierKey: options.verifierKey, external });
}

export interface ReplayOptions {
  /** Only these tasks, both included; default: all. */
  readonly tasks?: TaskRange;
  /** Worker threads, 1 to 64; default: one per core. */
  readonly workers?: number;
  readonly signal?: AbortSignal;
}

/**
 * Executes a run again from its log alone and compares every leaf and record. Models are not asked: their answers are on the log.
 * @param name as for `verify`.
 * @returns `ok`, and the first wrong operation in `mismatch`.
 * @throws MizuError as `verify`, and INTERRUPTED by the signal.
 */
export async function replay(log: Log, name: string, options: ReplayOptions = {}): Promise<ReplayReport> {
  const run = await findRun(log, name);
  const { tasks, workers = defaultWorkers(), signal = new AbortController().signal } = options;
  const external = openExternal(log, (variable) => process.env[variable]);
  const local = temporaryStorage();
  try {
    const gateway = await recordedAnswers({ log, run, local });
    try {
      return await replayRun({ log, run, registry, local, workerUrl: WORKER_URL, workers, tasks, gateway, external, signal });
    } finally {
      await gateway?.close();
    }
  } finally {
    await local.close();
  }
}

/**
 * A portable proof that a record was published, or that it was dropped and why: `verifyProof(text, verifierKey)` checks it without any log.
 * @param record its id: NAME/GENERATION/k.i.
 * @throws MizuError USAGE for a text that is no id; NOT_FOUND; CHECK_FAILED when no signed head covers the record yet; LOG_CORRUPT.
 */
export async function prove(log: Log, record: string): Promise<RecordProof> {
  const id = parseRecordId(record);
  return proveRecord(log, await findRun(log, `${id.name}/${id.generation}`), id);
}
