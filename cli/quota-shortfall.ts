/**
 * Whether quotas are why a run fell short: what full ones turned away would have been enough, or what is open can't hold what is missing. Then more of
 * everything is a poor cure: it takes records of the categories that are still open, or other quotas.
 */
import type { Json, Program, RunSummary } from '#engine';
import { grouped } from './format.ts';

/** Categories that a line names. */
export const NAMES_SHOWN = 6;

interface OpenCategory {
  readonly name: string;
  readonly kept: number;
  readonly limit: number;
}

export interface QuotaShortfall {
  readonly step: string;
  readonly rejected: number;
  /** Full categories with what was kept of them. */
  readonly full: string;
  /** Categories that came up or are named, and have room; the emptiest first. */
  readonly open: readonly OpenCategory[];
  /** Records that they have room for. */
  readonly room: number;
  /** Records that the run fell short by. */
  readonly lacking: number;
  /** How many times the present budget would fill what is open, at the shares so far; undefined where nothing of it came up. */
  readonly factor: number | undefined;
}

export function quotaShortfall(summary: RunSummary, stages: Program['stages']): QuotaShortfall | undefined {
  const { wanted, accepted, rejected } = summary;
  const lacking = (wanted ?? 0) - accepted;
  if (lacking <= 0) return undefined;
  const quotas = stages.flatMap(({ ops }) => ops.filter(({ op, id }) => op === 'quota' && (rejected[id] ?? 0) > 0));
  return quotas
    .map(({ id, params }) => shortfallOf({ step: id, rejected: rejected[id] ?? 0, lacking }, params, summary.reports[id]))
    .filter((one) => one.rejected >= lacking || one.room < lacking)
    .sort((a, b) => b.rejected - a.rejected)[0];
}

function shortfallOf(found: Pick<QuotaShortfall, 'step' | 'rejected' | 'lacking'>, params: Json, report: Json | undefined): QuotaShortfall {
  const { counts, each } = objectOf(params);
  const limits = numbersOf(counts);
  const kept = numbersOf(objectOf(report)['groups']);
  const rest = typeof each === 'number' ? each : 0;
  const categories = [...new Set([...kept.keys(), ...limits.keys()])]
    .map((name) => ({ name, kept: kept.get(name) ?? 0, limit: limits.get(name) ?? rest }))
    .filter(({ limit }) => limit > 0);
  const open = categories
    .filter((one) => one.kept < one.limit)
    .sort((a, b) => a.kept / a.limit - b.kept / b.limit || (a.name < b.name ? -1 : 1));
  const full = categories.filter((one) => one.kept >= one.limit).map(({ name, kept: n }) => `${name} ${grouped(n)}`);
  const room = open.reduce((sum, one) => sum + one.limit - one.kept, 0);
  return { ...found, full: shown(full), open, room, factor: factorOf(open, room, found.lacking) };
}

/** Where all that is open has to be filled, the slowest category decides; else their sum. */
function factorOf(open: readonly OpenCategory[], room: number, lacking: number): number | undefined {
  const kept = open.reduce((sum, one) => sum + one.kept, 0);
  const factor = room > lacking ? 1 + lacking / kept : Math.max(...open.map((one) => one.limit / one.kept));
  return Number.isFinite(factor) ? factor : undefined;
}

export function openText({ open }: QuotaShortfall): string {
  if (open.length === 0) return 'every category that came up is full';
  return `still open: ${shown(open.map(({ name, kept, limit }) => `${name} ${grouped(kept)} of ${grouped(limit)}`))}`;
}

function shown(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN;
  return names.slice(0, NAMES_SHOWN).join(', ') + (more > 0 ? `, and ${more} more` : '');
}

function objectOf(json: Json | undefined): { readonly [name: string]: Json } {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as { readonly [name: string]: Json }) : {};
}

function numbersOf(json: Json | undefined): ReadonlyMap<string, number> {
  return new Map(Object.entries(objectOf(json)).filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
}
