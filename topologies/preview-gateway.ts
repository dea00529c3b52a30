/**
 * The gateway of a preview: asks the models for real, and records their answers in a log that is gone with the preview. So the
 * questions are those of a run, and nothing that a run trusts is written.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answer, answerTo, asksModels, type LocalStorage, type Question, type StoryAnswer } from '#engine';
import { openEmbeddedLog } from '#connectors/embedded';
import { openGateway } from '#connectors/inference';
import type { CompiledFile } from './compile-file.ts';
import { openSigner } from './open-log.ts';
import { type Environment, modelsOf } from './run-gateway.ts';

const TOPIC = 'preview.attestations';

export interface PreviewGateway {
  /** The answer, and what a preview shows of it. Throws as a gateway does. */
  ask(question: Question, signal: AbortSignal): Promise<{ readonly answer: Answer; readonly evidence: StoryAnswer }>;
  close(): Promise<void>;
}

/** Undefined for a program that asks nobody. @throws USAGE naming the variables of keys that are missing. */
export async function previewGateway(
  workflow: CompiledFile,
  local: LocalStorage,
  env: Environment,
  signal: AbortSignal,
): Promise<PreviewGateway | undefined> {
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
      async ask(question, asked) {
        const { attestation, key } = await gateway.answerFor(question, asked);
        const evidence = { draw: question.draw, key, attestation, signedBy: signer.publicKey };
        return { answer: answerTo(attestation, log.network, question), evidence };
      },
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
