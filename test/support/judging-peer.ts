/**
 * A model that writes, judges, repairs and sorts, as a function of what it is asked: the same question has the same answer in every run. What it does is
 * read off the question, so that a test can tell the parts of a run apart by its calls.
 */
import type { Behaviour, PeerCall } from './model-peer.ts';
import { completion } from './model-peer.ts';

export type Part = 'write' | 'judge' | 'repair' | 'sort';

export function partOf({ body }: PeerCall): Part {
  const first = body.messages[0]?.content ?? '';
  if (first.startsWith('You judge one record')) return 'judge';
  if (first.startsWith('You sort one record')) return 'sort';
  return first.startsWith('You improve one text') ? 'repair' : 'write';
}

/** The record as the model is shown it. @throws when the data does not stand between its marks, once. */
export function shownRecord({ body }: PeerCall): { readonly [field: string]: unknown } {
  const last = body.messages.at(-1)?.content ?? '';
  const match = /^<record>\n([^\n]*)\n<\/record>\n/.exec(last);
  if (match === null || last.split('<record>').length !== 2 || last.split('</record>').length !== 2)
    throw new Error(`no record between its marks: ${last}`);
  return JSON.parse(match[1] ?? '') as { readonly [field: string]: unknown };
}

export interface Parts {
  write(call: PeerCall): string;
  judge(record: { readonly [field: string]: unknown }, call: PeerCall): string;
  repair(record: { readonly [field: string]: unknown }, call: PeerCall): string;
  /** Picks an option. */
  sort?(record: { readonly [field: string]: unknown }, call: PeerCall): string;
}

export const scored = (scores: { readonly [name: string]: number }, reason = 'because'): string =>
  JSON.stringify(Object.fromEntries(Object.entries(scores).map(([name, score]) => [name, { reason, score }])));

export function judging(parts: Parts): Behaviour {
  return (response, call) => {
    const part = partOf(call);
    const content = part === 'write' ? parts.write(call) : parts[part]?.(shownRecord(call), call);
    if (content === undefined) throw new Error(`nobody said how to ${part}`);
    response.setHeader('content-type', 'application/json');
    response.end(completion(call.body.model, content));
  };
}
