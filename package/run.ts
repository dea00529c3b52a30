/** Deploys a compiled workflow and runs it to its end in this process. */
import type { Log, Progress, RunSummary } from '#engine';
import { type CompiledFile, defaultWorkers, runWorkflow } from '#topologies';

export interface RunOptions {
  /** Opened for writing; stays open. */
  readonly log: Log;
  /** Worker threads, 1 to 64; default: one per core. */
  readonly workers?: number;
  /** Logical nodes to employ; default: as the workflow says. */
  readonly nodes?: number;
  /** Key that signs, PKCS#8 PEM; default: the log's own, made on first use. */
  readonly keyFile?: string;
  /** Starts a changed workflow as a new generation beside the run of the old one. */
  readonly newGeneration?: boolean;
  /** Variables of the environment, for the keys of models; default: those of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Aborted: the run stops, and the same call goes on later. */
  readonly signal?: AbortSignal;
  /** Called now and then while the run goes on. */
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Goes on where an earlier run of the same program on this log stopped.
 * @returns counts, tree and verifier key. A budget that was not enough is no error: `accepted` is then less than `wanted`.
 * @throws MizuError PROGRAM_CHANGED for another program without `newGeneration`; RUN_LIVE while another process runs it; INTERRUPTED by the signal; what the log throws.
 */
export function run(workflow: CompiledFile, options: RunOptions): Promise<RunSummary> {
  const { log, workers = defaultWorkers(), env = process.env, signal = new AbortController().signal } = options;
  const { nodes, keyFile, newGeneration, onProgress } = options;
  return runWorkflow(workflow, { log, workers, nodes, keyFile, newGeneration, env: (name) => env[name], signal, onProgress });
}
