/**
 * The gateway of a run: in the process that plays all its roles, or in the member that was appointed. Keys are looked for before any work. Opening
 * fences the gateway of whoever runs it now, so the former opens it with its first question, when the run is known to be its own.
 */
import type { DeployedRun, Gateway, LocalStorage, Log, ModelAddress, OpenGateway, Program, Signer } from '#engine';
import { asksModels, gatewayKeys, listRuns, RunTopics } from '#engine';
import { type GatewayCounts, type InferenceGateway, openGateway, resolveModels } from '#connectors/inference';
import type { CompiledFile } from './compile-file.ts';

export type Environment = (name: string) => string | undefined;

export interface RunGatewayOptions {
  readonly log: Log;
  readonly run: DeployedRun;
  /** As the workflow file says now: addresses may be mended between two starts of a run. */
  readonly models: Readonly<Record<string, ModelAddress>>;
  readonly signer: Signer;
  readonly local: LocalStorage;
  readonly env: Environment;
  readonly signal: AbortSignal;
}

/** The models that a program asks, and the hosts of its simulators. */
export function modelsOf(program: Program, models: Readonly<Record<string, ModelAddress>>): Readonly<Record<string, ModelAddress>> {
  const external = program.stages.flatMap((stage) => stage.ops).filter((op) => op.kind === 'external');
  const asked = external.flatMap(({ params }) => {
    if (typeof params !== 'object' || params === null) return [];
    const { model, host } = params as { readonly [name: string]: unknown };
    return [model, host];
  });
  return Object.fromEntries(Object.entries(models).filter(([name]) => asked.includes(name)));
}

/** @throws USAGE naming the variables of keys that are missing. */
export function checkModelKeys(workflow: CompiledFile, env: Environment): void {
  resolveModels(modelsOf(workflow.program, workflow.deployment.models), env);
}

/** Of a run that is played in this process. */
export interface RunGateway extends Gateway {
  /** What was asked so far; undefined before the first question. */
  readonly counts: GatewayCounts | undefined;
}

/** The gateway of a run that is played in this process. Undefined for a program that asks nobody. */
export function runGateway(options: RunGatewayOptions): RunGateway | undefined {
  const { run, log, signer } = options;
  if (!asksModels(run.program)) return undefined;
  let opened: Promise<InferenceGateway> | undefined;
  let gateway: InferenceGateway | undefined;
  const open = async (): Promise<InferenceGateway> => {
    gateway = await openRunGateway(options, await gatewayKeys(log, run.run, signer.publicKey));
    return gateway;
  };
  return {
    get counts() {
      return gateway?.counts;
    },
    async ask(question, signal) {
      opened ??= open();
      return (await opened).ask(question, signal);
    },
    async close() {
      await (await opened?.catch(() => undefined))?.close();
    },
  };
}

export type GatewayRoleOptions = Pick<RunGatewayOptions, 'log' | 'signer' | 'local' | 'env'>;

/** Opens the gateway of whichever run this process is appointed to. @throws USAGE naming the variables of keys that are missing. */
export function gatewayOpener(options: GatewayRoleOptions): OpenGateway {
  return (run, { trustedKeys, signal }) => openRunGateway({ ...options, run, models: run.deployment.models, signal }, trustedKeys);
}

async function openRunGateway(options: RunGatewayOptions, trustedKeys: readonly Uint8Array[]): Promise<InferenceGateway> {
  const { run, log, signer } = options;
  const { name, generation } = run.run;
  const earlier = (await listRuns(log, name)).filter((other) => other.generation < generation).reverse();
  const earlierKeys = await Promise.all(earlier.map((other) => gatewayKeys(log, other, signer.publicKey)));
  return openGateway({
    ...options,
    models: modelsOf(run.program, options.models),
    title: `${name}/${generation}`,
    topic: new RunTopics(run.run).attestations,
    earlier: earlier.map((other) => new RunTopics(other).attestations),
    trustedKeys: [...trustedKeys, ...earlierKeys.flat()],
    network: log.network,
  });
}
