/** The three addresses that a supervisor and a scraper ask: plain HTTP, read-only, answered from memory. Put it where only they can reach it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf, MizuError } from '#engine';

/** A client that says nothing for so long is let go, milliseconds. */
const CLIENT_LIMIT_MS = 10_000;
/** Headers that any scraper or prober fits into, bytes. */
const HEADER_LIMIT_BYTES = 8 * 1024;

export interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export interface HttpServer {
  /** `http://HOST:PORT`, with the port that was given where 0 was asked for. */
  readonly address: string;
  close(): Promise<void>;
}

/** @throws USAGE for an address that is none, is taken or is not of this machine. */
export async function openHttp(where: string, pages: Readonly<Record<string, () => Promise<Page>>>): Promise<HttpServer> {
  const { host, port } = parseHttpAddress(where);
  const server = createServer({ maxHeaderSize: HEADER_LIMIT_BYTES, requestTimeout: CLIENT_LIMIT_MS }, (request, response) => {
    void answer(request, response, pages);
  });
  server.keepAliveTimeout = CLIENT_LIMIT_MS;
  await listening(server, host, port, where);
  const { port: given } = server.address() as AddressInfo;
  return {
    address: `http://${host.includes(':') ? `[${host}]` : host}:${given}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** `HOST:PORT`, with an IPv6 address in brackets. @throws USAGE. */
export function parseHttpAddress(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65_535) {
    throw new MizuError('USAGE', `--http '${text}' is no address; expected HOST:PORT`, {
      component: '--http',
      hint: 'For example 127.0.0.1:9464, or 0.0.0.0:9464 for all addresses of this machine; port 0 takes a free one.',
    });
  }
  return { host, port };
}

function listening(server: Server, host: string, port: number, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new MizuError('USAGE', `--http ${where}: can't listen there: ${messageOf(error)}`, {
          cause: error,
          component: '--http',
          hint: 'Give a free port and an address of this machine; port 0 takes a free one.',
        }),
      ),
    );
    server.listen(port, host, resolve);
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  pages: Readonly<Record<string, () => Promise<Page>>>,
): Promise<void> {
  const { status, type, body } = await pageFor(request, pages);
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function pageFor(request: IncomingMessage, pages: Readonly<Record<string, () => Promise<Page>>>): Promise<Page> {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (page === undefined) return json(404, { error: `There is nothing at this path; there are ${Object.keys(pages).join(', ')}` });
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'Only GET and HEAD are answered' });
  try {
    return await page();
  } catch (error) {
    return json(500, { error: messageOf(error) });
  }
}

export function json(status: number, body: object): Page {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(body)}\n` };
}
