/**
 * The parts of kafkajs that this connector stands on: its connection (TCP, TLS, framing, SASL) and its table of error codes. They
 * are internals, so the version is pinned and `assertClientVersion` is tested; everything above them is written for the log contract.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { invariant } from '#engine';
import { AnswerFrames } from './answer-frames.ts';

/** The version whose internals were read and measured. */
export const CLIENT_VERSION = '2.2.4';

export interface SaslOptions {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512' | 'oauthbearer';
  readonly username?: string;
  readonly password?: string;
  /** Takes the place of the client's own for the mechanism. */
  readonly authenticationProvider?: AuthenticationStep;
}

/** One exchange with the broker; `response` reads the bytes of its answer. */
export type AuthenticationStep = (parts: {
  readonly saslAuthenticate: (exchange: {
    readonly request: { readonly encode: () => Promise<Buffer> };
    readonly response: { readonly decode: (bytes: Buffer) => Promise<Buffer>; readonly parse: (bytes: Buffer) => Promise<Buffer> };
  }) => Promise<Buffer>;
}) => { readonly authenticate: () => Promise<void> };

export interface ConnectionParts {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly ssl: ConnectionOptions | null;
  readonly sasl: SaslOptions | null;
  readonly connectionTimeout: number;
  readonly enforceRequestTimeout: false;
  readonly logger: unknown;
  readonly socketFactory: (target: { host: string; port: number; ssl: ConnectionOptions | null; onConnect: () => void }) => Socket;
}

export interface QueuedRequest {
  readonly entry: {
    readonly apiKey: number;
    readonly apiName: string;
    readonly apiVersion: number;
    readonly correlationId: number;
    readonly resolve: (answer: { readonly payload: Buffer }) => void;
    readonly reject: (error: Error) => void;
  };
  readonly expectResponse: true;
  readonly requestTimeout: number;
  readonly sendRequest: () => void;
}

export interface RequestQueue {
  readonly pending: readonly unknown[];
  push(request: QueuedRequest): void;
  fulfillRequest(answer: { readonly size: number; readonly correlationId: number; readonly payload: Buffer }): void;
  scheduleCheckPendingRequests(): void;
  checkPendingRequests(): void;
}

export interface Connection {
  readonly requestQueue: RequestQueue;
  connect(): Promise<unknown>;
  authenticate(): Promise<void>;
  isAuthenticated(): boolean;
  isConnected(): boolean;
  setVersions(versions: unknown): void;
  setSupportAuthenticationProtocol(supported: boolean): void;
  nextCorrelationId(): number;
  rejectRequests(error: Error): void;
  /** Takes what the socket brings. Its bytes may change afterwards. */
  processData(bytes: Buffer): void;
  send(protocol: unknown): Promise<unknown>;
}

interface ErrorCode {
  readonly type: string;
  readonly code: number;
  readonly retriable: boolean;
  readonly message: string;
}

interface ApiVersions {
  readonly apiVersions: readonly { readonly apiKey: number; readonly minVersion: number; readonly maxVersion: number }[];
}

const require = createRequire(import.meta.url);

const Connection = require('kafkajs/src/network/connection') as new (parts: ConnectionParts) => Connection;
const { createLogger } = require('kafkajs/src/loggers') as { createLogger: (options: unknown) => unknown };
const requests = require('kafkajs/src/protocol/requests/apiVersions') as { protocol: (of: { version: number }) => () => object };

/** What kafkajs knows of the broker's error codes. */
export const clientErrorCodes = (require('kafkajs/src/protocol/error') as { errorCodes: readonly ErrorCode[] }).errorCodes;

/** Errors reach the caller as errors; nothing is printed. */
const SILENT = createLogger({ level: 0, logCreator: () => () => undefined });

export function newConnection(parts: Omit<ConnectionParts, 'logger' | 'enforceRequestTimeout'>): Connection {
  assertClientVersion((require('kafkajs/package.json') as { version: string }).version);
  const connection = new Connection({ ...parts, logger: SILENT, enforceRequestTimeout: false });
  // After each answer the client sets a timer for a time in the past, of which Node warns. It is only needed while requests are queued.
  const queue = connection.requestQueue;
  const process = connection.processData.bind(connection);
  connection.processData = (bytes) => process(Buffer.from(bytes));
  queue.scheduleCheckPendingRequests = () => {
    if (queue.pending.length > 0) setTimeout(() => queue.checkPendingRequests(), 10);
  };
  return connection;
}

const CORRELATION_BYTES = 4;

/** From here on answers are cut here. Not before it is authenticated: that has a framing of its own. */
export function cutAnswers(connection: Connection, onNonsense: (error: RangeError) => void): void {
  const frames = new AnswerFrames((answer) => {
    const correlationId = answer.readInt32BE(0);
    connection.requestQueue.fulfillRequest({ size: answer.length, correlationId, payload: answer.subarray(CORRELATION_BYTES) });
  });
  connection.processData = (bytes) => {
    try {
      frames.take(bytes);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      onNonsense(error);
    }
  };
}

/** Which versions of each request the broker speaks; needed by the client's authentication. */
export async function askVersions(connection: Connection): Promise<ApiVersions['apiVersions']> {
  const { apiVersions } = (await connection.send(requests.protocol({ version: 2 })())) as ApiVersions;
  return apiVersions;
}

export function assertClientVersion(version: string): void {
  invariant(version === CLIENT_VERSION, `kafkajs ${version} is installed; this connector was made for the internals of ${CLIENT_VERSION}`);
}
