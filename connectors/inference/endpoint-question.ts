/**
 * From an HTTP request to a question (P8). Step: `CALLER/KEY` for a request with an idempotency key, `CALLER` for one without; op: the API; candidate and
 * draw: 0 for a key, else two numbers of 48 bits drawn for this request alone, so that it is a new draw. A key names one body: with another it is refused.
 */
import { randomInt } from 'node:crypto';
import {
  type Append,
  type AttestationTable,
  attestationKey,
  canonicalBytes,
  equalBytes,
  type InferenceApi,
  type Json,
  messageOf,
  parseStrictJson,
  type Question,
  REQUEST_LIMIT_BYTES,
  sha256,
  toHex,
  utf8,
} from '#engine';
import { RequestError } from './endpoint-errors.ts';
import { IDEMPOTENCY_KEY_CHARACTERS } from './limits.ts';

export interface HttpQuestion {
  readonly question: Question;
  readonly streams: boolean;
  /** Names the caller's idempotency key; absent: it gave none. */
  readonly keyName: Uint8Array | undefined;
}

export interface HttpAsk {
  readonly api: InferenceApi;
  readonly caller: string;
  /** Models that it may ask. */
  readonly models: readonly string[];
  readonly idempotencyKey: string | string[] | undefined;
  readonly body: unknown;
}

/** Largest number that `randomInt` draws below. */
const DRAW_RANGE = 2 ** 48 - 1;

/** Caller's name in the step of an attestation. */
export function callerOf(step: string): string {
  return step.split('/')[0] ?? '';
}

/** @throws RequestError saying what is wrong with it. */
export function readHttpQuestion({ api, caller, models, idempotencyKey, body }: HttpAsk): HttpQuestion {
  const fields = readBody(body);
  const { model, stream } = fields;
  if (typeof model !== 'string') throw invalid("'model' is no text", 'model');
  if (!models.includes(model)) {
    const message = `There is no model '${model.slice(0, 80)}' for this caller; there are: ${models.join(', ')}`;
    throw new RequestError({ status: 404, code: 'model_not_found', message, param: 'model' });
  }
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') throw invalid("'stream' is neither true nor false", 'stream');
  if (stream === true && api !== 'chat/completions') throw invalid('only chat completions are streamed', 'stream');
  const request = canonicalBytes(fields);
  if (request.length > REQUEST_LIMIT_BYTES) {
    const message = `The request has ${request.length} bytes as canonical JSON, at most ${REQUEST_LIMIT_BYTES} can be asked`;
    throw new RequestError({ status: 413, code: 'request_too_large', message });
  }
  const key = readKey(idempotencyKey);
  const keyName = key === undefined ? undefined : sha256(utf8(`${caller}/${key}`));
  const step = key === undefined ? caller : `${caller}/${key}`;
  const drawn = (): number => (key === undefined ? randomInt(DRAW_RANGE) : 0);
  const opDigest = sha256(canonicalBytes({ api, op: 'urn:mizu:gateway:http:v1' }));
  const question: Question = { step, opDigest, candidate: drawn(), draw: drawn(), model, request, api };
  return { question, streams: stream === true, keyName };
}

function readBody(body: unknown): { readonly [key: string]: Json } {
  if (!Buffer.isBuffer(body) || body.length === 0) throw invalid('The request has no body; expected a JSON object as application/json');
  let json: Json;
  try {
    json = parseStrictJson(body);
  } catch (error) {
    throw invalid(`The body is not strict JSON: ${messageOf(error)}`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalid('The body is no JSON object');
  return json as { readonly [key: string]: Json };
}

function readKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && header.length <= IDEMPOTENCY_KEY_CHARACTERS && /^[!-~]+$/.test(header)) return header;
  throw invalid(`Idempotency-Key: expected 1 to ${IDEMPOTENCY_KEY_CHARACTERS} visible ASCII characters, once`);
}

function invalid(message: string, param?: string): RequestError {
  return new RequestError({ status: 400, code: 'bad_request', message, ...(param === undefined ? {} : { param }) });
}

/** Which question each idempotency key names: recorded with its answer, in one commit; and those on their way. Owned by one endpoint. */
export class EndpointKeys {
  private readonly topic: string;
  private readonly table: AttestationTable;
  /** Keys on their way, by name: their question, and how many requests hold them. */
  private readonly running = new Map<string, { readonly key: Uint8Array; readonly keyName: Uint8Array; holders: number }>();
  /** The same by the key of their question. */
  private readonly asked = new Map<string, Uint8Array>();

  constructor(topic: string, table: AttestationTable) {
    this.topic = topic;
    this.table = table;
  }

  /**
   * The question's key; `release` takes what resolves once nobody asks the question any more. @throws RequestError when the idempotency key names
   * another question.
   */
  async take({ question, keyName }: HttpQuestion, network: string): Promise<HeldKey> {
    const key = attestationKey(network, question);
    if (keyName === undefined) return { key, release: () => undefined };
    const name = toHex(keyName);
    const recorded = (await this.table.find(keyName))?.envelope;
    const held = this.running.get(name) ?? { key, keyName, holders: 0 };
    if (!equalBytes(recorded ?? held.key, key)) {
      const message = 'This Idempotency-Key was used with another body: give each question a key of its own';
      throw new RequestError({ status: 422, code: 'idempotency_key_reused', message });
    }
    held.holders++;
    this.running.set(name, held);
    this.asked.set(toHex(key), keyName);
    const leave = async (settled: Promise<void>): Promise<void> => {
      await settled;
      await this.table.catchUp();
      if (--held.holders > 0) return;
      this.running.delete(name);
      this.asked.delete(toHex(key));
    };
    return { key, release: (settled) => void leave(settled).catch(() => undefined) };
  }

  /** What is committed with an answer. */
  entryFor(key: Uint8Array): readonly Append[] {
    const name = this.asked.get(toHex(key));
    return name === undefined ? [] : [{ topic: this.topic, partition: 0, key: name, value: key }];
  }

  close(): void {
    this.table.close();
  }
}

export interface HeldKey {
  readonly key: Uint8Array;
  release(settled: Promise<void>): void;
}
