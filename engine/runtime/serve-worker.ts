/** The other end of a worker pool: executes tasks of one program on this thread. Called by the composing room, which knows the registry. */
import { parentPort, workerData } from 'node:worker_threads';
import { invariant, messageOf, MizuError } from '../contract/errors.ts';
import type { Answer } from '../contract/inference.ts';
import type { Registry } from '../contract/operator.ts';
import type { LocalStorage } from '../contract/storage.ts';
import { TaskMachine } from '../datavm/task-machine.ts';
import { freeBytes } from '../proof/free-bytes.ts';
import { globalStorage } from './global-storage.ts';
import type { WorkerReply, WorkerRequest, WorkerSetup } from './worker-protocol.ts';
import { exactQuestion, packOutput, unpackInput } from './worker-protocol.ts';

/** Row ops have no keyed state, so a worker thread has no local storage to give. */
export const NO_LOCAL_STORAGE: LocalStorage = {
  openKeyIndex(name) {
    throw new MizuError('INTERNAL', `A row op asked for the key index '${name}'; only keyed ops have one`);
  },
  close: async () => {},
};

interface Pending {
  readonly resolve: (answers: readonly Answer[]) => void;
  readonly reject: (error: unknown) => void;
}

export function serveWorker(registry: Registry): void {
  invariant(parentPort !== null, 'serveWorker runs on a worker thread');
  const port = parentPort;
  const setup = workerData as WorkerSetup;
  const machine = TaskMachine.open(
    { program: setup.program, registry, storage: globalStorage(setup.data), local: NO_LOCAL_STORAGE, expectedRecords: 0 },
    setup.digest,
  );
  const pending = new Map<number, Pending>();
  let nextAsk = 0;
  const reply = (message: WorkerReply, transfer: readonly ArrayBuffer[] = []): void => port.postMessage(message, transfer);
  const ready = (): void => reply({ type: 'ready' });
  machine.then(ready, ready);

  const execute = async (id: number, input: Extract<WorkerRequest, { type: 'execute' }>['input']): Promise<void> => {
    try {
      const opened = await machine;
      const output = await opened.execute(unpackInput(input), (questions) => {
        const ask = nextAsk++;
        return new Promise((resolve, reject) => {
          pending.set(ask, { resolve, reject });
          reply({ type: 'ask', id, ask, questions: questions.map(exactQuestion) });
        });
      });
      const packed = packOutput(output);
      const spent = input.records?.buffer;
      const moved = [packed.frames.buffer, packed.leaves.buffer];
      reply({ type: 'done', id, output: packed, spent }, spent === undefined ? moved : [...moved, spent]);
      for (const frame of output.frames) freeBytes(frame);
    } catch (error) {
      const { code = 'INTERNAL', hint, component } = error instanceof MizuError ? error : {};
      reply({ type: 'failed', id, code, message: messageOf(error), hint, component });
      const spent = input.records?.buffer;
      if (spent?.detached === false) freeBytes(new Uint8Array(spent));
    }
  };

  port.on('message', (request: WorkerRequest) => {
    if (request.type === 'end') {
      port.close();
      return;
    }
    if (request.type === 'execute') {
      void execute(request.id, request.input);
      return;
    }
    const waiting = pending.get(request.ask);
    pending.delete(request.ask);
    if (request.type === 'answers') waiting?.resolve(request.answers);
    else waiting?.reject(new MizuError(request.code, request.message));
  });
}
