/** Many calls to one model on virtual time: the real pace and the real retries, against a server that is only a rule. */
import { ModelPace, type Transport } from '#connectors/inference';
import { DEFAULT_LIMITS } from '../../../../connectors/inference/limits.ts';
import { resolveModels } from '../../../../connectors/inference/model-server.ts';
import { askServer, type UpstreamResult } from '../../../../connectors/inference/upstream.ts';
import { utf8 } from '#engine';
import type { VirtualTime } from '../../../support/virtual-time.ts';

export interface Caller {
  readonly pace: ModelPace;
  ask(): Promise<UpstreamResult>;
  /** Calls made, tries included. */
  readonly calls: number;
  /** Ends everything. */
  stop(): void;
}

export function openCaller(time: VirtualTime, transport: Transport, ceiling = 64): Caller {
  const [server] = resolveModels({ m: { url: 'http://server.test/v1' } }, () => undefined).values();
  if (server === undefined) throw new RangeError('no server');
  const stop = new AbortController();
  const { signal } = stop;
  const pace = new ModelPace({ model: 'm', shown: 'http://server.test/v1', ceiling, callMs: DEFAULT_LIMITS.callMs, timing: time, signal });
  let calls = 0;
  const never = new AbortController().signal;
  return {
    pace,
    get calls() {
      return calls;
    },
    ask: () =>
      askServer(server, utf8('{}'), {
        api: 'chat/completions',
        idempotencyKey: 'key',
        limits: DEFAULT_LIMITS,
        pace,
        transport,
        timing: time,
        signal,
        unwanted: never,
        stream: undefined,
        onCall: () => calls++,
      }),
    stop: () => stop.abort(),
  };
}
