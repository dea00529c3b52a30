/** Executes the source tasks of a run again from its log alone, with recorded answers only, and counts the frames that come out the same. */
import { openLocalStorage } from '#connectors/embedded';
import { globalStorage, type Log, type Question, readRun, recordedGateway, RunTopics, sha256, TaskMachine, toHex } from '#engine';
import { openSigner, registry } from '#topologies';
import { readAll } from './log-tools.ts';

export interface ReplayedTasks {
  readonly frames: number;
  readonly same: number;
}

/** @param folder for local storage. Throws when an answer is missing or refused. */
export async function replayTasks(log: Log, name: string, folder: string): Promise<ReplayedTasks> {
  const { run, program, digest, data } = await readRun(log, name);
  const topics = new RunTopics(run);
  const local = openLocalStorage(folder);
  const trustedKeys = [openSigner(log).publicKey];
  const gateway = await recordedGateway({ log, topic: topics.attestations, network: log.network, trustedKeys, local });
  try {
    const committed = new Set<string>();
    const partitions = program.stages[1]?.partitions ?? 0;
    for (let partition = 0; partition < partitions; partition++) {
      for (const entry of await readAll(log, topics.frames(1), partition)) committed.add(toHex(sha256(entry.value)));
    }
    const total = program.budget.candidates ?? 0;
    const machine = await TaskMachine.open({ program, registry, storage: globalStorage(data), local, expectedRecords: total }, digest);
    const signal = new AbortController().signal;
    const ask = (questions: readonly Question[]) => Promise.all(questions.map((question) => gateway.ask(question, signal)));
    let frames = 0;
    let same = 0;
    for (let k = 0, first = 0; first < total; k++, first += program.task.size) {
      const output = await machine.execute({ k, first, count: Math.min(program.task.size, total - first), poison: [] }, ask);
      frames += output.frames.length;
      same += output.frames.filter((frame) => committed.has(toHex(sha256(frame)))).length;
    }
    return { frames, same };
  } finally {
    await gateway.close();
    await local.close();
  }
}
