/**
 * The gateway of a run in this process. Keys are looked for before any work; the gateway itself is opened by the first question, when the run is
 * known to be ours: opening it fences the gateway of whoever runs it now.
 */
import type { DeployedRun, Gateway, LocalStorage, Log, ModelAddress, Program, Signer } from '#engine';
import { listRuns, RunTopics } from '#engine';
import { openGateway, resolveModels } from '#connectors/inference';
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

/** The models that a program asks. */
export function modelsOf(program: Program, models: Readonly<Record<string, ModelAddress>>): Readonly<Record<string, ModelAddress>> {
  const external = program.stages.flatMap((stage) => stage.ops).filter((op) => op.kind === 'external');
  const asked = external.map(({ params }) =>
    typeof params === 'object' && params !== null && 'model' in params ? params.model : undefined,
  );
  return Object.fromEntries(Object.entries(models).filter(([name]) => asked.includes(name)));
}

/** @throws USAGE naming the variables of keys that are missing. */
export function checkModelKeys(workflow: CompiledFile, env: Environment): void {
  resolveModels(modelsOf(workflow.program, workflow.deployment.models), env);
}

/** Undefined for a program that asks nobody. */
export function runGateway(options: RunGatewayOptions): Gateway | undefined {
  const { run, log } = options;
  const models = modelsOf(run.program, options.models);
  if (!run.program.stages.some((stage) => stage.ops.some((op) => op.kind === 'external'))) return undefined;
  const { name, generation } = run.run;
  let opened: Promise<Gateway> | undefined;
  const open = async (): Promise<Gateway> => {
    const earlier = (await listRuns(log, name)).filter((other) => other.generation < generation);
    return openGateway({
      ...options,
      models,
      title: `${name}/${generation}`,
      topic: new RunTopics(run.run).attestations,
      earlier: earlier.reverse().map((other) => new RunTopics(other).attestations),
      network: log.network,
    });
  };
  return {
    async ask(question, signal) {
      opened ??= open();
      return (await opened).ask(question, signal);
    },
    async close() {
      await (await opened?.catch(() => undefined))?.close();
    },
  };
}
