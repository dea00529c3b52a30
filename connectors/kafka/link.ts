/**
 * One connection to one broker. Requests may overlap: the broker answers them in order. After the first failure the link is
 * broken for good, and whoever needs another opens one, so an answer can never be taken for that of a later request.
 */
import { connect, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { MizuError, messageOf } from '#engine';
import type { Api } from './api.ts';
import type { BrokerAddress } from './api-cluster.ts';
import { LinkFailure } from './failures.ts';
import { askVersions, type Connection, cutAnswers, newConnection, type SaslOptions } from './kafkajs.ts';
import { CONNECT_TIMEOUT_MS, RECEIVE_BYTES, REQUEST_TIMEOUT_MS } from './limits.ts';
import { WireReader, WireWriter } from './wire.ts';

/** How this process presents itself to brokers. */
export interface Client {
  readonly clientId: string;
  readonly tls: ConnectionOptions | undefined;
  readonly sasl: SaslOptions | undefined;
  /** Where to connect for an address that the cluster advertises: tunnels, port forwards. */
  readonly dial: (broker: BrokerAddress) => BrokerAddress;
}

const KEEP_ALIVE_MS = 30_000;

export class Link {
  readonly name: string;
  readonly #connection: Connection;
  readonly #socket: Socket;
  readonly #client: Client;
  #underway = 0;
  #retired = false;
  #broken: LinkFailure | undefined;

  private constructor(name: string, connection: Connection, socket: Socket, client: Client) {
    this.name = name;
    this.#connection = connection;
    this.#socket = socket;
    this.#client = client;
    cutAnswers(connection, ({ message }) => this.#break(new LinkFailure(name, `it sent ${message}, so it is no Kafka broker`)));
    socket.once('close', () => this.#break(new LinkFailure(name, 'the connection was closed')));
  }

  /** @throws LinkFailure; LOG_REFUSED when the broker does not know this user or its certificate is not trusted. */
  static async open(broker: BrokerAddress, client: Client): Promise<Link> {
    const name = `Kafka broker ${broker.host}:${broker.port}`;
    const sockets: Socket[] = [];
    const connection = newConnection({
      ...client.dial(broker),
      clientId: client.clientId,
      ssl: client.tls ?? null,
      sasl: client.sasl ?? null,
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketFactory: (target) => {
        const socket = openSocket(target);
        sockets.push(socket);
        return socket;
      },
    });
    const timeout = new AbortController();
    try {
      await Promise.race([introduce(connection), tooLate(name, timeout.signal)]);
      const [socket] = sockets;
      if (socket === undefined || !connection.isConnected()) throw new LinkFailure(name, 'the connection was closed while it was made');
      return new Link(name, connection, socket, client);
    } catch (error) {
      for (const socket of sockets) socket.destroy();
      throw explain(error, name, client);
    } finally {
      timeout.abort();
    }
  }

  /** False once it failed or was closed, and when its authentication is about to end: a new link is authenticated anew. */
  get usable(): boolean {
    if (this.#broken !== undefined || !this.#connection.isConnected()) return false;
    return this.#client.sasl === undefined || this.#connection.isAuthenticated();
  }

  /** @throws LinkFailure when no answer came: the request may have been carried out. */
  async call<Q, A>(api: Api<Q, A>, query: Q, timeoutMs = REQUEST_TIMEOUT_MS): Promise<A> {
    this.#underway++;
    try {
      return await this.#call(api, query, timeoutMs);
    } finally {
      this.#underway--;
      if (this.#retired && this.#underway === 0) this.close();
    }
  }

  close(): void {
    this.#break(new LinkFailure(this.name, 'the connection was closed by this process'));
  }

  /** Closes once the requests that are under way were answered. */
  retire(): void {
    this.#retired = true;
    if (this.#underway === 0) this.close();
  }

  async #call<Q, A>(api: Api<Q, A>, query: Q, timeoutMs: number): Promise<A> {
    const body = new WireWriter();
    const correlationId = this.#connection.nextCorrelationId();
    body.int16(api.key).int16(api.version).int32(correlationId).string(this.#client.clientId);
    if (api.flexible) body.tags();
    api.encode(body, query);
    const answer = new WireReader(await this.#exchange(api, correlationId, body, timeoutMs));
    if (api.flexible) answer.skipTags();
    return api.decode(answer);
  }

  #exchange(api: Api<never, unknown>, correlationId: number, body: WireWriter, timeoutMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) return reject(this.#broken);
      const timer = setTimeout(() => this.#break(new LinkFailure(this.name, `no answer to ${api.name} in ${timeoutMs} ms`)), timeoutMs);
      this.#connection.requestQueue.push({
        entry: {
          apiKey: api.key,
          apiName: api.name,
          apiVersion: api.version,
          correlationId,
          resolve: ({ payload }) => {
            clearTimeout(timer);
            resolve(payload);
          },
          reject: (error) => {
            clearTimeout(timer);
            reject(error instanceof LinkFailure ? error : new LinkFailure(this.name, messageOf(error), { cause: error }));
          },
        },
        expectResponse: true,
        requestTimeout: timeoutMs,
        sendRequest: () => this.#write(body),
      });
    });
  }

  #write(body: WireWriter): void {
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(body.length);
    this.#socket.cork();
    this.#socket.write(length);
    for (const chunk of body.chunks()) this.#socket.write(chunk);
    this.#socket.uncork();
  }

  #break(failure: LinkFailure): void {
    if (this.#broken !== undefined) return;
    this.#broken = failure;
    this.#connection.rejectRequests(failure);
    this.#socket.destroy();
  }
}

function openSocket(target: { host: string; port: number; ssl: ConnectionOptions | null; onConnect: () => void }): Socket {
  const { host, port, ssl, onConnect } = target;
  const socket: Socket =
    ssl === null
      ? connect({ host, port, onread: { buffer: Buffer.allocUnsafeSlow(RECEIVE_BYTES), callback: receive } }, onConnect)
      : connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...ssl }, onConnect);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  return socket;

  /** One buffer for all that it brings, instead of a new one each time. */
  function receive(length: number, buffer: Uint8Array): boolean {
    return socket.emit('data', buffer.subarray(0, length));
  }
}

async function introduce(connection: Connection): Promise<void> {
  await connection.connect();
  const versions = await askVersions(connection);
  connection.setVersions(Object.fromEntries(versions.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { minVersion, maxVersion }])));
  connection.setSupportAuthenticationProtocol(true);
  await connection.authenticate();
}

/** The client's own time-outs miss a connection that ends while TLS is being set up. */
function tooLate(name: string, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const timer = setTimeout(() => {
      reject(new LinkFailure(name, `no connection in ${CONNECT_TIMEOUT_MS} ms`, { hint: CONNECT_HINT }));
    }, CONNECT_TIMEOUT_MS);
    signal.addEventListener('abort', () => clearTimeout(timer));
  });
}

const CONNECT_HINT = 'Is the broker running there, does the port speak TLS or plain text as asked, and can this machine reach it?';
/** OpenSSL's and Node's names of certificates that were not accepted. */
const CERTIFICATE_CODES = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ALTNAME/;

/** The client's errors, with what to try. Its texts hold no secret: they are the broker's own words. */
function explain(error: unknown, name: string, client: Client): Error {
  if (error instanceof MizuError) return error;
  const facts = error as { readonly name?: string; readonly code?: unknown };
  const text = messageOf(error);
  if (facts.name === 'KafkaJSSASLAuthenticationError') {
    return new MizuError('LOG_REFUSED', `${name} refused to authenticate: ${text}`, {
      component: name,
      cause: error,
      hint: 'Check mechanism, user and password or token (MIZU_KAFKA_SASL_*), and that the user exists on the cluster.',
    });
  }
  if (client.tls !== undefined && typeof facts.code === 'string' && CERTIFICATE_CODES.test(facts.code)) {
    return new MizuError('LOG_REFUSED', `${name}: its certificate was not accepted (${facts.code}): ${text}`, {
      component: name,
      cause: error,
      hint: 'Give the authority that signed it by MIZU_KAFKA_TLS_CA_FILE, and use the host name that the certificate names.',
    });
  }
  return new LinkFailure(name, text, { cause: error, hint: CONNECT_HINT });
}
