/**
 * The connections of a server that stops. Node ends those that are idle at that moment, and waits for the others: for one that is kept alive after its last
 * answer, and for one on which nothing was sent yet, which clients open ahead of need (undici after an aborted request). Here these end, too, as soon as
 * nothing on its way needs them. State, owned by one server: its open connections.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

export class OpenConnections {
  private readonly open = new Set<Socket>();
  private ending = false;

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      if (this.ending) {
        socket.destroy();
        return;
      }
      this.open.add(socket);
      socket.once('close', () => this.open.delete(socket));
    });
    server.on('request', ({ socket }, response) => response.once('finish', () => this.ending && socket.destroySoon()));
  }

  end(): void {
    this.ending = true;
    for (const socket of this.open) if (socket.bytesRead === 0) socket.destroy();
  }
}
