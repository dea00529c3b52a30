/** An answer on its way to a caller as server-sent events. It begins with the first event; its end is sent only once the whole is recorded. */
import type { FastifyReply } from 'fastify';
import type { Attestation } from '#engine';
import { SERVED_AS } from './http-call.ts';
import type { StreamSink } from './stream-relay.ts';

export class EndpointStream implements StreamSink {
  private readonly reply: FastifyReply;
  private readonly id: string;
  private readonly model: string;
  private sent = 0;
  begun = false;

  /** @param id of the attestation that will be. */
  constructor(reply: FastifyReply, id: string, model: string) {
    this.reply = reply;
    this.id = id;
    this.model = model;
  }

  /** A slow reader holds nothing up: an answer is bounded, and what it has not read waits in memory. */
  write(events: Uint8Array): void {
    const { raw } = this.reply;
    if (!this.begun) {
      this.begun = true;
      this.reply.hijack();
      raw.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'mizu-attestation': this.id,
        'mizu-recorded': 'false',
        [SERVED_AS]: encodeURIComponent(this.model),
      });
    }
    this.sent += events.length;
    // A copy: the relay's buffer goes on.
    if (!raw.destroyed) raw.write(Buffer.from(events));
  }

  /** Sends what was held back; what turned out to be no answer is broken off where the caller sees it. */
  finish({ outcome, response }: Attestation): void {
    if (outcome.kind === 'answer') this.reply.raw.end(Buffer.from(response.subarray(this.sent)));
    else this.breakOff();
  }

  /** No end and no more bytes: a connection that is cut is no answer. */
  breakOff(): void {
    this.reply.raw.destroy();
  }
}
