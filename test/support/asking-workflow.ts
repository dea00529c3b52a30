/** A workflow that asks a model once for each candidate, deployed on a log for roles to run; and what came of it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deploy, type Log, type RunName, type RunSummary, RunTopics } from '#engine';
import { compileFile, runWorkflow } from '#topologies';
import { decodeControl } from '../../engine/dispatch/signed-entry.ts';
import { readSummary } from '../../engine/runtime/summary.ts';
import { readAll } from './log-tools.ts';

export interface AskingWorkflow {
  readonly url: string;
  readonly candidates: number;
  readonly taskSize: number;
  /** Variable that holds the model's key, if it wants one. */
  readonly keyEnv?: string;
  /** The server's name of the model. */
  readonly model?: string;
}

/** Writes the workflow's file into the folder, and gives its path. */
export function writeAsking(folder: string, { url, candidates, taskSize, keyEnv, model = 'smollm2' }: AskingWorkflow): string {
  const key = keyEnv === undefined ? '' : `, keyEnv: ${keyEnv}`;
  const file = join(folder, 'workflow.yaml');
  writeFileSync(
    file,
    `mizu: 1
name: tickets
seed: 7
budget: { candidates: ${candidates} }
task: { size: ${taskSize}, deadline: 60s }
partitions: 2
nodes: 8
data: { products: { list: [kettle, lamp, chair, clock] } }
models: { small: { url: "${url}", model: ${model}, calls: 8${key} } }
generate:
  - select: { from: products, as: product }
  - inference: { as: body, model: small, prompt: "Complain about the {{product}}.", maxTokens: 60, temperature: 0.7 }
verify:
  - length: { field: body, codepoints: [1, 200] }
publish: { fields: [product, body] }
`,
  );
  return file;
}

export async function deployFile(log: Log, file: string): Promise<RunName> {
  const { program, digest, deployment, data } = await compileFile(file);
  return deploy(log, { program, digest, deployment, data: data.values(), newGeneration: false, signal: new AbortController().signal });
}

/** The same in one process, which plays every role. */
export async function embeddedRun(log: Log, file: string): Promise<RunSummary> {
  return runWorkflow(await compileFile(file), { log, workers: 1, signal: new AbortController().signal });
}

/** Waits for the run's last entry. */
export async function summaryAtEnd(log: Log, run: RunName, signal: AbortSignal): Promise<RunSummary> {
  const { control } = new RunTopics(run);
  for (;;) {
    const end = await log.end(control, 0);
    for (const entry of await readAll(log, control, 0)) {
      const { body } = decodeControl(entry.value);
      if (body.type === 'close') return readSummary(body.summary);
    }
    if (!(await log.waitBeyond(control, 0, end, signal))) throw signal.reason;
  }
}
