/** The answers of a run's models as its log holds them, for replays and stories: no model is asked (law 3). */
import type { DeployedRun, LocalStorage, Log, RecordedGateway } from '#engine';
import { gatewayKeys, parseVkey, recordedGateway, RunTopics, verifierKeyOf } from '#engine';

export interface RecordedAnswersOptions {
  readonly log: Log;
  readonly run: DeployedRun;
  readonly local: LocalStorage;
  /** Keys of gateways, 32 bytes each; default: the key of the run's first orchestrator, and those that its control log appointed. */
  readonly trustedKeys?: readonly Uint8Array[] | undefined;
}

/** Undefined for a program that asks nobody. */
export async function recordedAnswers(options: RecordedAnswersOptions): Promise<RecordedGateway | undefined> {
  const { log, run, local } = options;
  if (!run.program.stages.some((stage) => stage.ops.some((op) => op.kind === 'external'))) return undefined;
  const trustedKeys = options.trustedKeys ?? (await gatewayKeys(log, run.run, parseVkey(await verifierKeyOf(log, run)).publicKey));
  return recordedGateway({ log, topic: new RunTopics(run.run).attestations, network: log.network, trustedKeys, local });
}
