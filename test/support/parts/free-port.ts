/** Ports of loopback that were free a moment ago. Another process may take one first, so whoever starts a server tries again with others. */
import { createServer, type Server } from 'node:net';

/** `count` different ports: all are held until the last is known. */
export async function freePorts(count: number): Promise<number[]> {
  const held: { server: Server; port: number }[] = [];
  try {
    for (let i = 0; i < count; i++) held.push(await hold());
  } finally {
    await Promise.all(held.map(({ server }) => new Promise((resolve) => server.close(resolve))));
  }
  return held.map(({ port }) => port);
}

function hold(): Promise<{ server: Server; port: number }> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (typeof address === 'object' && address !== null) resolve({ server, port: address.port });
      else reject(new Error('a listening socket without a port'));
    });
  });
}
