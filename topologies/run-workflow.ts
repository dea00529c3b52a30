/** Compile → deploy → run to the end, on one machine: the composition that commands and tests use. */
import type { GatewayCounts } from '#connectors/inference';
import type { Log, Progress, RunName, RunSummary } from '#engine';
import { beginDeploy, NODE_LIMIT, readRun, runToEnd, soleRun } from '#engine';
import { checkSink } from './check-sink.ts';
import type { CompiledFile } from './compile-file.ts';
import { openExternal } from './open-external.ts';
import { localDirectory, openSigner, openStorage } from './open-log.ts';
import { registry } from './registry.ts';
import { checkTopic } from './sample-topic.ts';
import { checkModelKeys, type Environment, runGateway } from './run-gateway.ts';

/** Entry of worker threads: the source in a checkout, what it was compiled to in a package. */
export const WORKER_URL = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

export interface RunWorkflowOptions {
  /** Writable; stays open. */
  readonly log: Log;
  /** Worker threads. */
  readonly workers: number;
  /** Logical nodes; default: as the workflow says. */
  readonly nodes?: number | undefined;
  /** Key file; default: the log's own. */
  readonly keyFile?: string | undefined;
  /** Starts a changed program as a new generation (P12). */
  readonly newGeneration?: boolean | undefined;
  /** The environment, for the keys of models; default: an empty one. */
  readonly env?: Environment | undefined;
  readonly signal: AbortSignal;
  /** The program is on the log, and work begins. */
  readonly onDeployed?: ((run: RunName) => void) | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** What this process paid models for, once its work is done or failed; not called if nothing was asked. */
  readonly onAsked?: ((spend: RunSpend) => void) | undefined;
}

/** What one process paid for, however often it began the run again. */
export interface RunSpend {
  /** HTTP calls, tries included. */
  readonly calls: number;
  /** New answers, and their tokens. */
  readonly answers: number;
  readonly tokens: number;
  /** Answers of the run that somebody paid for before: an earlier process, or an earlier generation. With `answers` these are all answers that it has. */
  readonly recorded: number;
}

/** Goes on where an earlier run of the same program stopped. @throws what `deploy` and `runToEnd` throw. */
export async function runWorkflow(workflow: CompiledFile, options: RunWorkflowOptions): Promise<RunSummary> {
  let spend: RunSpend | undefined;
  const onAsked = ({ calls, answers, tokens, held }: GatewayCounts): void => {
    const before = spend ?? { calls: 0, answers: 0, tokens: 0 };
    const paid = { calls: before.calls + calls, answers: before.answers + answers, tokens: before.tokens + tokens };
    spend = { ...paid, recorded: held - paid.answers };
  };
  try {
    return await soleRun(options.log, workflow.deployment.name, () => deployAndRun(workflow, options, onAsked));
  } finally {
    if (spend !== undefined) options.onAsked?.(spend);
  }
}

async function deployAndRun(
  workflow: CompiledFile,
  options: RunWorkflowOptions,
  onAsked: (counts: GatewayCounts) => void,
): Promise<RunSummary> {
  const { log, signal } = options;
  const env = options.env ?? (() => undefined);
  checkModelKeys(workflow, env);
  const signer = openSigner(log, options.keyFile);
  const open = openExternal(log, env);
  await checkSink(log, workflow, { writes: true });
  await checkTopic(workflow, open);
  const source = await workflow.source();
  const { run: name, copySource } = await beginDeploy(log, {
    program: workflow.program,
    digest: workflow.digest,
    deployment: workflow.deployment,
    data: workflow.data.values(),
    source,
    openExternal: open,
    newGeneration: options.newGeneration ?? false,
    signal,
  });
  options.onDeployed?.(name);
  const run = await readRun(log, name.name, name.generation);
  const local = openStorage(localDirectory(log));
  const gateway = runGateway({ log, run, models: workflow.deployment.models, signer, local, env, signal });
  try {
    return await runToEnd({
      log,
      run,
      registry,
      local,
      signer,
      workerUrl: WORKER_URL,
      workers: options.workers,
      nodes: options.nodes ?? Math.min(workflow.deployment.nodes, NODE_LIMIT),
      gateway,
      openExternal: open,
      copySource,
      signal,
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    });
  } finally {
    await gateway?.close();
    if (gateway?.counts !== undefined) onAsked(gateway.counts);
    await local.close();
  }
}
