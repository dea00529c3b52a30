/**
 * The gateway as an ordinary OpenAI-compatible HTTP endpoint (laws 2, 7; P8). A request is a question: bound to its caller, to its idempotency key (or a number
 * drawn for it alone) and to its exact canonical bytes. Its answer is signed and recorded before the caller sees the end of it, and the same key gets
 * the same answer ever after. State: the idempotency keys on their way, and the fold of those recorded; what else there is belongs to gateway and callers.
 */
import {
  AttestationTable,
  type GatewayConfig,
  type LocalStorage,
  type Log,
  type MizuError,
  REQUEST_LIMIT_BYTES,
  type Signer,
} from '#engine';
import { endpointNames } from './endpoint-names.ts';
import { rememberUsage, usageEntry } from './caller-usage.ts';
import { Callers } from './callers.ts';
import { callerOf, EndpointKeys } from './endpoint-question.ts';
import { EndpointServer } from './endpoint-server.ts';
import { openGateway } from './gateway.ts';
import type { InferenceGateway } from './gateway-contract.ts';
import { ENDPOINT_REQUEST_MS } from './limits.ts';
import type { CallEnd } from './model-pace.ts';
import { SYSTEM_TIMING, type Timing } from './timing.ts';

/** What the endpoint tells of itself. */
export type EndpointEvent =
  | {
      readonly type: 'request';
      /** Empty for who is nobody's caller. */
      readonly caller: string;
      readonly model: string;
      readonly status: number;
      readonly code: string;
      readonly seconds: number;
      /** It was answered from the log. */
      readonly recorded: boolean;
    }
  /** A new answer was recorded, also for a caller that left; once for all who asked for it together. */
  | { readonly type: 'answer'; readonly caller: string; readonly model: string; readonly tokens: number }
  | { readonly type: 'call'; readonly model: string; readonly end: CallEnd['kind'] }
  /** A request could not be answered for a reason that its caller is not told in full. */
  | { readonly type: 'failed'; readonly error: unknown }
  /** Another gateway took over, or the log is in doubt: nothing more can be recorded. */
  | { readonly type: 'broken'; readonly error: MizuError };

export interface EndpointOptions {
  readonly config: GatewayConfig;
  readonly log: Log;
  readonly signer: Signer;
  readonly local: LocalStorage;
  /** The environment, for keys of models. */
  readonly env: (name: string) => string | undefined;
  /** Tokens by caller's name. */
  readonly tokens: ReadonlyMap<string, string>;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly onEvent: (event: EndpointEvent) => void;
  /** Further pages that are answered without a token: /healthz, /readyz, /metrics. */
  readonly pages?: Readonly<Record<string, () => Promise<{ readonly status: number; readonly type: string; readonly body: string }>>>;
  readonly timing?: Timing;
}

export interface Endpoint {
  /** `http://HOST:PORT`. */
  readonly address: string;
  readonly gateway: InferenceGateway;
  close(): Promise<void>;
}

/** Fences the endpoint of this name before, and listens. @throws USAGE for missing keys or tokens, or an address that can't be listened on; what the log throws. */
export async function openEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const { config, log, signer, local, env, onEvent } = options;
  const timing = options.timing ?? SYSTEM_TIMING;
  const callers = new Callers(config.callers, options.tokens, timing);
  const { title, attestations, keys: keysTopic, usage } = endpointNames(config.name);
  const network = `${log.network}/${title}`;
  for (const name of [attestations, keysTopic, usage]) await log.createTopic({ name, partitions: 1, cleanup: 'keep' });
  let keys: EndpointKeys | undefined;
  const gateway = await openGateway({
    log,
    title,
    topic: attestations,
    network,
    models: config.models,
    signer,
    local,
    env,
    timing,
    alongside: (key, { step }, attestation) => [
      ...(keys?.entryFor(key) ?? []),
      ...usageEntry(usage, callers, callerOf(step), attestation.usage?.totalTokens ?? 0),
    ],
    onAnswer: ({ step, model }, { usage }) => onEvent({ type: 'answer', caller: callerOf(step), model, tokens: usage?.totalTokens ?? 0 }),
    onCall: (model, end) => onEvent({ type: 'call', model, end }),
    onBroken: (error) => onEvent({ type: 'broken', error }),
  });
  try {
    // After the fence: nobody adds to them any more but this process.
    await rememberUsage(log, usage, callers);
    keys = new EndpointKeys(keysTopic, await AttestationTable.open({ log, topics: [keysTopic], local }));
    // Loaded when it is wanted: whoever asks models loads this connector.
    const { fastify } = await import('fastify');
    const app = fastify({
      bodyLimit: REQUEST_LIMIT_BYTES,
      requestTimeout: ENDPOINT_REQUEST_MS,
      forceCloseConnections: 'idle',
      return503OnClosing: true,
    });
    const server = new EndpointServer(options, { gateway, callers, keys, app, network });
    const address = await server.listen();
    return { address, gateway, close: () => server.close() };
  } catch (error) {
    keys?.close();
    await gateway.close();
    throw error;
  }
}
