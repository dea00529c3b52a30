/**
 * A model server that only waits: `node upstream.ts LEAST MOST [PORT] [tell]` answers every chat completion after a time between the two, milliseconds, taken from the number
 * of the call, so that two runs wait alike. Prints its port, and with `tell` a line for each call.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { completion } from '../../support/model-peer.ts';

const [least = 0, most = 0, port = 0] = process.argv.slice(2, 5).map(Number);
const tells = process.argv[5] === 'tell';
/** About what a short answer of a model has. */
const ANSWER = 'It leaks, it whistles at night, and its lid has never fitted. '.repeat(8);
let calls = 0;

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (tells) process.stdout.write('call\n');
    const { model } = JSON.parse(Buffer.concat(chunks).toString()) as { readonly model: string };
    // A low-discrepancy sequence: as many short as long answers, in every stretch.
    const wait = least + ((calls++ * 0.6180339887) % 1) * (most - least);
    const answer = (): void => {
      response.setHeader('content-type', 'application/json');
      response.end(completion(model, ANSWER));
    };
    if (wait === 0) answer();
    else setTimeout(answer, wait);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(port, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
