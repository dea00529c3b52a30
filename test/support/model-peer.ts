/**
 * A server that speaks the chat completions of the OpenAI API on loopback, for tests of those who call one. It answers as a good server does, unless
 * it was told what to do with the next calls. Every answer holds the number of the call, so that asking twice shows.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PeerCall {
  readonly body: {
    readonly model: string;
    readonly seed: number;
    readonly messages: readonly { readonly role: string; readonly content: string }[];
  };
  readonly bytes: Buffer;
  readonly authorization: string | undefined;
  /** Below the base address: `chat/completions`, `embeddings`. */
  readonly api: string;
  readonly idempotencyKey: string | undefined;
}

/** What the server does with one call. */
export type Behaviour = (response: ServerResponse, call: PeerCall, number: number) => void;

export interface ModelPeer {
  /** Base address. */
  readonly url: string;
  readonly calls: PeerCall[];
  /** Most calls at once, so far. */
  readonly mostAtOnce: number;
  /** The next calls, in order, are handled so; then all is well again. */
  next(...behaviours: readonly Behaviour[]): void;
  /** How all other calls are handled. */
  always(behaviour: Behaviour): void;
  close(): Promise<void>;
}

export function completion(model: string, content: string, finishReason = 'stop'): string {
  return JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    model,
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: finishReason }],
    usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
  });
}

export const good: Behaviour = (response, call, number) => {
  response.setHeader('content-type', 'application/json');
  response.end(completion(call.body.model, `Answer ${number} to: ${call.body.messages.at(-1)?.content ?? ''}`));
};
export const status =
  (code: number, headers: Readonly<Record<string, string>> = {}, body = '{"error":{"message":"no"}}'): Behaviour =>
  (response) =>
    void response.writeHead(code, headers).end(body);
export const raw =
  (body: string | Uint8Array): Behaviour =>
  (response) =>
    void response.end(body);
/** Begins an answer and cuts the connection. */
export const cut: Behaviour = (response) => {
  response.writeHead(200, { 'content-length': '1000' });
  response.write('{"choices":[', () => response.destroy());
};
/** Takes the call and never says anything. */
export const silent: Behaviour = () => {};

const APIS: readonly string[] = ['chat/completions', 'embeddings'];

/** One event of a stream. */
export function chunkOf(model: string, content: string, more: object = {}): string {
  const choice = { index: 0, delta: { content }, finish_reason: null };
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model, choices: [choice], ...more })}\n\n`;
}

/** The last events of a good stream: why it ended, what it used, and that it is whole. */
export function streamEnd(model: string): string {
  const end = { id: 'c', object: 'chat.completion.chunk', model, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
  const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
  return `data: ${JSON.stringify(end)}\n\ndata: ${JSON.stringify({ ...end, choices: [], usage })}\n\n${DONE}`;
}
export const DONE = 'data: [DONE]\n\n';

/** Sends these parts of an event stream, and ends. */
export const streamed =
  (...parts: readonly string[]): Behaviour =>
  (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const part of parts) response.write(part);
    response.end();
  };

export async function openModelPeer(): Promise<ModelPeer> {
  const calls: PeerCall[] = [];
  const queue: Behaviour[] = [];
  let otherwise = good;
  let open = 0;
  let mostAtOnce = 0;
  const server = createServer((request, response) => {
    open++;
    mostAtOnce = Math.max(mostAtOnce, open);
    response.on('close', () => open--);
    void bodyOf(request).then((bytes) => {
      const key = request.headers['idempotency-key'];
      const call = {
        bytes,
        body: JSON.parse(bytes.toString('utf8')) as PeerCall['body'],
        authorization: request.headers.authorization,
        api: (request.url ?? '').replace(/^\/v1\//, ''),
        idempotencyKey: typeof key === 'string' ? key : undefined,
      };
      calls.push(call);
      if (request.method === 'POST' && APIS.includes(call.api)) (queue.shift() ?? otherwise)(response, call, calls.length);
      else response.writeHead(404).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    calls,
    get mostAtOnce() {
      return mostAtOnce;
    },
    next: (...behaviours) => void queue.push(...behaviours),
    always: (behaviour) => {
      otherwise = behaviour;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
