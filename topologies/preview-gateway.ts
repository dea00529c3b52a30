/**
 * The gateway of a preview: asks the models for real, and records their answers in a log that is gone with the preview. So the
 * questions are those of a run, and nothing that a run trusts is written.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asksModels, type Gateway, type LocalStorage } from '#engine';
import { openEmbeddedLog } from '#connectors/embedded';
import { openGateway } from '#connectors/inference';
import type { CompiledFile } from './compile-file.ts';
import { openSigner } from './open-log.ts';
import { type Environment, modelsOf } from './run-gateway.ts';

const TOPIC = 'preview.attestations';

/** Undefined for a program that asks nobody. @throws USAGE naming the variables of keys that are missing. */
export async function previewGateway(
  workflow: CompiledFile,
  local: LocalStorage,
  env: Environment,
  signal: AbortSignal,
): Promise<Gateway | undefined> {
  const models = modelsOf(workflow.program, workflow.deployment.models);
  if (!asksModels(workflow.program)) return undefined;
  const directory = mkdtempSync(join(tmpdir(), 'mizu-preview-'));
  const log = await openEmbeddedLog({ directory });
  const close = async (): Promise<void> => {
    await log.close();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await log.createTopic({ name: TOPIC, partitions: 1, cleanup: 'keep' });
    const signer = openSigner(log);
    const gateway = await openGateway({ log, title: 'preview/1', topic: TOPIC, network: log.network, models, signer, local, env, signal });
    return {
      ask: (question, asked) => gateway.ask(question, asked),
      async close() {
        await gateway.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
