/** Times and sizes as authors write them: a whole number with its unit. */
import { z } from 'zod';

const DURATION = /^(\d{1,9})(ms|s|m|h)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds of `500ms`, `60s`, `5m`, `1h`. */
export function durationMs(text: string): number | undefined {
  const match = DURATION.exec(text);
  const unit = UNIT_MS[match?.[2] ?? ''];
  return match?.[1] === undefined || unit === undefined ? undefined : Number(match[1]) * unit;
}

const BYTES = /^(\d{1,9})(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/;
const UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Bytes of `500MB`, `1GiB`. */
export function byteCount(text: string): number | undefined {
  const match = BYTES.exec(text);
  const unit = UNIT_BYTES[match?.[2] ?? ''];
  return match?.[1] === undefined || unit === undefined ? undefined : Number(match[1]) * unit;
}

interface Range {
  /** Examples, as the messages name them. */
  readonly such: string;
  /** Bounds, and how the messages say them. */
  readonly least: readonly [number, string];
  readonly most?: readonly [number, string];
}

/** Text that is a time in this range, milliseconds. */
export function timeText(range: Range): z.ZodString {
  return quantity('a time', durationMs, range);
}

/** Text that is a size in this range, bytes. */
export function sizeText(range: Range): z.ZodString {
  return quantity('a size', byteCount, range);
}

function quantity(what: string, read: (text: string) => number | undefined, { such, least, most }: Range): z.ZodString {
  const fits = (text: string): boolean => {
    const value = read(text);
    return value !== undefined && value >= least[0] && value <= (most?.[0] ?? Number.POSITIVE_INFINITY);
  };
  const range = [least[1], ...(most === undefined ? [] : [`at most ${most[1]}`])].join(' and ');
  return z.string(`${what} such as ${such}`).refine(fits, `not ${what} such as ${such}, ${range}`);
}
