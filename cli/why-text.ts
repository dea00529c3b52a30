/** Why a step dropped a record, in one line. */
import type { Measured } from '#engine';
import { oneLine } from './format.ts';

export interface Why {
  readonly rule?: string;
  readonly measured?: Measured;
  readonly limit?: Measured;
  readonly code?: string;
  readonly message?: string;
  /** Candidate or record id that won. */
  readonly winner?: number | string;
}

/** Begins with a separator; empty where there is nothing to say. */
export function whyText(why: Why): string {
  const parts: string[] = [];
  if (why.measured !== undefined) parts.push(`measured ${measuredText(why.measured)}`);
  if (why.limit !== undefined) parts.push(`limit ${measuredText(why.limit)}`);
  if (why.code !== undefined && why.code !== '') parts.push(`${why.code}: ${oneLine(why.message ?? '')}`);
  if (why.winner !== undefined) parts.push(`the same as ${typeof why.winner === 'number' ? `candidate ${why.winner}` : why.winner}`);
  return parts.length === 0 ? '' : ` · ${parts.join(' · ')}`;
}

function measuredText(value: Measured): string {
  return typeof value === 'number' ? String(value) : oneLine(value);
}
