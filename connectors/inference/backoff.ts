/** How long a call waits before its next try: exponential with full jitter and a cap. */
import { BACKOFF_FIRST_MS, BACKOFF_LIMIT_MS } from './limits.ts';

/** @param failed tries that failed so far, from 1. @param random in [0, 1). */
export function backoffMs(failed: number, random: number): number {
  const most = Math.min(BACKOFF_LIMIT_MS, BACKOFF_FIRST_MS * 2 ** (failed - 1));
  return Math.round(random * most);
}

/** Milliseconds in a Retry-After header (RFC 9110 section 10.2.3): seconds, or a date. Undefined for anything else. `date`: now, in milliseconds since 1970. */
export function readRetryAfter(header: string | null, date: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1_000;
  const until = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(until) ? undefined : Math.max(0, until - date);
}
