/**
 * Follows an answer that comes as server-sent events (WHATWG HTML section 9.2, as the OpenAI API uses them), and passes whole events on as they come.
 * The last one, `[DONE]`, is held back: whoever reads the stream sees its end only once the whole is recorded. State: the bytes of the event that has
 * begun, and what the events said so far.
 */
import { asBuffer, type Json, messageOf, MizuError, parseStrictJson, type TokenUsage } from '#engine';
import { type ChatFacts, readChunkFacts } from './chat-facts.ts';

/** Where the events of a stream go as they come. */
export interface StreamSink {
  /** Whole events, exact bytes. Resolves when more may come. */
  write(events: Uint8Array): void | Promise<void>;
}

/** Looked for at the end of each event. */
const LINE_END = 0x0a;
const RETURN = 0x0d;

export class StreamRelay {
  private readonly sink: StreamSink | undefined;
  private readonly check: (facts: ChatFacts, event: Buffer, servedAs: string | null) => void;
  private rest: Buffer = Buffer.alloc(0);
  private model: string | undefined;
  private finishReason: string | undefined;
  private usage: TokenUsage | undefined;
  private problem: string | undefined;
  /** Bytes that were passed on. */
  passed = 0;
  /** `[DONE]` came. */
  done = false;

  /** @param check sees every event before it is passed on; what it throws ends the stream. */
  constructor(sink: StreamSink | undefined, check: (facts: ChatFacts, event: Buffer, servedAs: string | null) => void) {
    this.sink = sink;
    this.check = check;
  }

  get facts(): ChatFacts {
    return { model: this.model, finishReason: this.finishReason, usage: this.usage };
  }

  /** Why it is no stream of chunks; undefined for a good one. */
  get malformed(): string | undefined {
    return this.problem;
  }

  async take(chunk: Uint8Array, servedAs: string | null): Promise<void> {
    this.rest = this.rest.length === 0 ? asBuffer(chunk) : Buffer.concat([this.rest, chunk]);
    let passable = 0;
    for (let end = eventEnd(this.rest, 0); end !== -1 && !this.done; end = eventEnd(this.rest, passable)) {
      const event = this.rest.subarray(passable, end);
      this.read(event);
      this.check(this.facts, event, servedAs);
      if (!this.done) passable = end;
    }
    const events = this.rest.subarray(0, passable);
    this.rest = this.rest.subarray(passable);
    if (events.length === 0) return;
    this.passed += events.length;
    await this.sink?.write(events);
  }

  /** The exact bytes that were held back. */
  get heldBack(): Uint8Array {
    return this.rest;
  }

  private read(event: Buffer): void {
    const data = dataOf(event.toString('utf8'));
    if (data === undefined) return;
    if (data === '[DONE]') {
      this.done = true;
      return;
    }
    let json: Json;
    try {
      json = parseStrictJson(Buffer.from(data));
    } catch (error) {
      this.problem ??= `an event of the stream is not strict JSON: ${messageOf(error)}`;
      return;
    }
    const facts = readChunkFacts(json);
    this.model ??= facts.model;
    this.finishReason = facts.finishReason ?? this.finishReason;
    this.usage = facts.usage ?? this.usage;
  }
}

/** The text of an event's data lines; undefined for a comment or another field. */
function dataOf(event: string): string | undefined {
  const lines = event.split(/\r\n|\n|\r/).filter((line) => line.startsWith('data:'));
  return lines.length === 0 ? undefined : lines.map((line) => line.slice(line[5] === ' ' ? 6 : 5)).join('\n');
}

/** Where the event that begins at `from` ends, behind its empty line; -1 if it goes on. Ends of lines are LF or CRLF; a lone CR ends none here. */
function eventEnd(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(LINE_END, from); at !== -1; at = bytes.indexOf(LINE_END, at + 1)) {
    if (bytes[at + 1] === LINE_END) return at + 2;
    if (bytes[at + 1] === RETURN && bytes[at + 2] === LINE_END) return at + 3;
  }
  return -1;
}

/** Said to whoever reads a stream that can't be finished. */
export function cutStream(model: string, passed: number, why: string): MizuError {
  return new MizuError('UPSTREAM_UNREACHABLE', `Model '${model}' cut its stream after ${passed} bytes: ${why}`, {
    component: model,
    hint: 'Nothing of it was recorded: ask again, with the same idempotency key or another one.',
  });
}
