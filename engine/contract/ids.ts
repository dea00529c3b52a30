/**
 * Names of things (P16): record id = NAME/GENERATION/k.i, task = stage/k, step = stage/partition/k.
 * Branded types keep apart what must not be mixed.
 */
import { MizuError } from './errors.ts';

declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** SHA-256 in lower-case hexadecimal: names programs, ops and data. */
export type DigestHex = Brand<string, 'DigestHex'>;
/** Position in a partition; increases, may have gaps. */
export type Offset = Brand<number, 'Offset'>;

const DIGEST_PATTERN = /^[0-9a-f]{64}$/;

export function digestHex(text: string): DigestHex {
  if (!DIGEST_PATTERN.test(text)) {
    throw new MizuError('BYTES_INVALID', `Not a SHA-256 digest in lower-case hexadecimal: '${text.slice(0, 80)}'`);
  }
  return text as DigestHex;
}

export const offset = (n: number): Offset => wholeNumber(n, 'offset') as Offset;

function wholeNumber(n: number, what: string): number {
  if (!Number.isSafeInteger(n) || n < 0) throw new MizuError('BYTES_INVALID', `Not a ${what}: ${n}`);
  return n;
}

/** Names of workflows and of runs: also safe as a folder name, a topic prefix and a part of a checkpoint origin. */
export const NAME_PATTERN = /^[a-z0-9]+(?:[-.][a-z0-9]+)*$/;
export const NAME_LIMIT = 64;

export interface RecordId {
  readonly name: string;
  readonly generation: number;
  readonly k: number;
  /** Candidate within the task. */
  readonly i: number;
}

export function formatRecordId(id: RecordId): string {
  return `${id.name}/${id.generation}/${id.k}.${id.i}`;
}

/** Reads `NAME/GENERATION/k.i`. @throws USAGE, saying what a record id looks like. */
export function parseRecordId(text: string): RecordId {
  const match = /^([^/]+)\/(\d{1,15})\/(\d{1,15})\.(\d{1,10})$/.exec(text);
  if (match?.[1] === undefined) {
    throw new MizuError('USAGE', `'${text}' is not a record id`, {
      hint: 'A record id reads NAME/GENERATION/k.i, for example falling-stacks/1/3.17: `mizu export` writes one beside each record, and on Kafka it is the key of the record.',
    });
  }
  return { name: match[1], generation: Number(match[2]), k: Number(match[3]), i: Number(match[4]) };
}
