/**
 * What goes wrong with a cluster, as errors that say whose fault it is. Two kinds matter to the code above: the connection broke,
 * so nobody knows whether the request was carried out (LinkFailure), or the broker answered with an error code (Refusal).
 */
import { MizuError } from '#engine';
import { clientErrorCodes } from './kafkajs.ts';

/** Codes that are newer than the client's table, or that it names otherwise. */
const NEWER_CODES: readonly (readonly [code: number, name: string, retriable: boolean])[] = [
  [6, 'NOT_LEADER_OR_FOLLOWER', true],
  [14, 'COORDINATOR_LOAD_IN_PROGRESS', true],
  [15, 'COORDINATOR_NOT_AVAILABLE', true],
  [16, 'NOT_COORDINATOR', true],
  [3, 'UNKNOWN_TOPIC_OR_PARTITION', true],
  [51, 'CONCURRENT_TRANSACTIONS', true],
  [74, 'FENCED_LEADER_EPOCH', true],
  [75, 'UNKNOWN_LEADER_EPOCH', true],
  [89, 'THROTTLING_QUOTA_EXCEEDED', true],
  [90, 'PRODUCER_FENCED', false],
  [100, 'UNKNOWN_TOPIC_ID', true],
  [105, 'TRANSACTIONAL_ID_NOT_FOUND', false],
  [120, 'TRANSACTION_ABORTABLE', false],
];

interface CodeFacts {
  readonly name: string;
  readonly retriable: boolean;
  readonly text: string;
}

const CODES = new Map<number, CodeFacts>(
  clientErrorCodes.map(({ code, type, retriable, message }) => [code, { name: type, retriable, text: message }]),
);
for (const [code, name, retriable] of NEWER_CODES) CODES.set(code, { name, retriable, text: CODES.get(code)?.text ?? name });

const FENCED = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'INVALID_PRODUCER_ID_MAPPING']);

/** The connection broke, or no answer came in time: the request may have been carried out. */
export class LinkFailure extends MizuError {
  /** @param subject who failed: `Kafka broker host:port` */
  constructor(subject: string, what: string, options: { readonly cause?: unknown; readonly hint?: string } = {}) {
    super('LOG_UNAVAILABLE', `${subject}: ${what}`, {
      component: subject,
      hint: options.hint ?? 'Is the broker running, and can this machine reach it? Nothing committed is lost.',
      ...(options.cause === undefined ? {} : { cause: options.cause }),
    });
  }
}

/** What was asked for, so that an error can name it. */
export interface Asked {
  /** `read net.orders/3` */
  readonly what: string;
  /** The permission it takes: `READ on topic net.orders`. */
  readonly acl: string;
}

/** The broker answered with an error code. */
export class Refusal extends MizuError {
  /** Kafka's name of the code. */
  readonly kafka: string;
  /** Another try may succeed: leaders move, coordinators load. */
  readonly retriable: boolean;

  constructor(code: number, asked: Asked, detail?: string | null) {
    const { name, retriable, text } = CODES.get(code) ?? {
      name: `error code ${code}`,
      retriable: false,
      text: 'not known to this version',
    };
    const denied = name.endsWith('AUTHORIZATION_FAILED');
    super(
      mizuCode(name, denied),
      denied ? `Kafka does not allow this user to ${asked.what}: ${name}` : `Kafka could not ${asked.what}: ${name} (${detail ?? text})`,
      { component: asked.what, ...hintFor(name, denied, asked) },
    );
    this.kafka = name;
    this.retriable = retriable;
  }

  get isFence(): boolean {
    return FENCED.has(this.kafka);
  }
}

function mizuCode(name: string, denied: boolean): 'LOG_REFUSED' | 'LOG_FENCED' | 'LOG_CORRUPT' | 'LOG_UNAVAILABLE' | 'NOT_FOUND' {
  if (denied) return 'LOG_REFUSED';
  if (FENCED.has(name)) return 'LOG_FENCED';
  if (name === 'CORRUPT_MESSAGE') return 'LOG_CORRUPT';
  if (name === 'UNKNOWN_TOPIC_OR_PARTITION') return 'NOT_FOUND';
  return 'LOG_UNAVAILABLE';
}

function hintFor(name: string, denied: boolean, asked: Asked): { readonly hint?: string } {
  if (denied) return { hint: `Grant the permission ${asked.acl} to the user that connects here.` };
  if (FENCED.has(name))
    return { hint: 'Another writer took this owner over, or the broker gave a silent transaction up. Stop this one, or open again.' };
  if (name === 'UNSUPPORTED_VERSION') return { hint: 'Kafka 3.3 or newer is needed.' };
  return {};
}

/** @throws Refusal unless the code is 0. */
export function assertAnswer(code: number, asked: Asked, detail?: string | null): void {
  if (code !== 0) throw new Refusal(code, asked, detail);
}

export function isRetriable(error: unknown): boolean {
  return error instanceof LinkFailure || (error instanceof Refusal && error.retriable);
}
