/** A TCP proxy on loopback between a client and a server, which a test may cut, slow down or hold. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

export class TcpProxy {
  readonly host = '127.0.0.1';
  readonly port: number;
  /** Every piece of data is late by this, in both directions. Order is kept, also when it changes. */
  delayMs = 0;
  /** Sees each piece that a client sends, before it is passed on; `reset` ends that connection at once, so that it is not. */
  watch: (data: Buffer, reset: () => void) => void = () => undefined;
  /** Answers of the server are swallowed, what clients send is passed on. */
  muted = false;
  /** Connections that were ever made to it. */
  taken = 0;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #paused = false;
  #bytesUntilCut = Number.POSITIVE_INFINITY;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(target: ProxyTarget): Promise<TcpProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const proxy = new TcpProxy(server, typeof address === 'object' && address !== null ? address.port : 0);
    server.on('connection', (client) => proxy.#join(client, target));
    return proxy;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Resets every connection; new ones are taken. */
  cut(): void {
    for (const pair of [...this.#pairs]) for (const socket of pair) reset(socket);
  }

  /** Cuts once so many more bytes were passed on, in the middle of whatever they are. */
  cutAfter(bytes: number): void {
    this.#bytesUntilCut = bytes;
  }

  /** Passes nothing on, of present and of new connections: to both ends the network is silent. */
  pause(): void {
    this.#paused = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }

  #join(client: Socket, target: ProxyTarget): void {
    this.taken++;
    const server = connect(target);
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    for (const socket of pair) socket.setNoDelay(true);
    this.#pass(client, server, pair, (data) => {
      this.watch(data, () => reset(client));
      return !client.destroyed;
    });
    this.#pass(server, client, pair, () => !this.muted);
    if (this.#paused) for (const socket of pair) socket.pause();
  }

  #pass(from: Socket, to: Socket, pair: readonly [Socket, Socket], isPassedOn: (data: Buffer) => boolean): void {
    const over = (): void => {
      this.#pairs.delete(pair);
      to.destroy();
    };
    from.on('error', over);
    from.on('close', over);
    const late: { readonly data: Buffer; readonly dueMs: number }[] = [];
    const forwardDue = (): void => {
      for (let first = late[0]; first !== undefined; first = late[0]) {
        const restMs = first.dueMs - performance.now();
        if (restMs > 0) {
          setTimeout(forwardDue, restMs);
          return;
        }
        late.shift();
        this.#forward(first.data, to);
      }
    };
    from.on('data', (data) => {
      if (!isPassedOn(data)) return;
      // What is on its way goes first, however short the delay has become.
      late.push({ data, dueMs: performance.now() + this.delayMs });
      if (late.length === 1) forwardDue();
    });
  }

  #forward(data: Buffer, to: Socket): void {
    if (to.destroyed) return;
    if (data.length <= this.#bytesUntilCut) {
      this.#bytesUntilCut -= data.length;
      to.write(data);
      return;
    }
    to.write(data.subarray(0, this.#bytesUntilCut), () => this.cut());
    this.#bytesUntilCut = Number.POSITIVE_INFINITY;
  }
}

/** A socket that is being shut down can't be reset: Node would keep it open, and the process would not end. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
