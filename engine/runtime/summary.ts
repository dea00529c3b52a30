/** What a run comes to: the object that `mizu run --json` prints, without the seconds of this process. */
import { z } from 'zod';
import { MizuError } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import type { Totals } from '../dispatch/control-entry.ts';
import { FINISH_REASONS, type FinishReason } from '../dispatch/finish-reasons.ts';
import { type InferenceTotals, inferenceTotals } from './inference-totals.ts';
import type { RunContext } from './run-context.ts';

export interface TreeHead {
  readonly size: number;
  /** Hexadecimal. */
  readonly root: string;
  /** C2SP verifier key of the checkpoint. */
  readonly verifierKey: string;
}

export interface RunSummary {
  readonly name: string;
  readonly generation: number;
  /** Digest of the program. */
  readonly program: string;
  /** `exhausted` or `budget` with an `accept` in the program: the budget was not enough. */
  readonly reason: FinishReason;
  readonly candidates: number;
  readonly accepted: number;
  /** The exact count asked for; null where there is none. */
  readonly wanted: number | null;
  readonly corrected: number;
  readonly rejected: Readonly<Record<string, number>>;
  readonly duplicates: number;
  readonly failed: number;
  readonly gas: number;
  readonly bytes: { readonly local: number; readonly global: number };
  readonly treeSize: number;
  readonly root: string;
  readonly verifierKey: string;
  /** What its questions took; null for a program that asks no model. */
  readonly inference: InferenceTotals | null;
  /** What aggregates found, by step id. */
  readonly reports: Readonly<Record<string, Json>>;
}

export function summaryOf(
  context: RunContext,
  totals: Totals,
  reason: FinishReason,
  head: Pick<TreeHead, 'size' | 'root' | 'verifierKey'>,
  reports: Readonly<Record<string, Json>>,
): RunSummary {
  return {
    name: context.run.name,
    generation: context.run.generation,
    program: context.digest,
    reason,
    candidates: totals.candidates,
    accepted: totals.accepted,
    wanted: context.program.accept ?? null,
    corrected: totals.corrected,
    rejected: totals.rejected,
    duplicates: totals.duplicates,
    failed: totals.failed,
    gas: totals.gas,
    bytes: { local: totals.localBytes, global: totals.globalBytes },
    treeSize: head.size,
    root: head.root,
    verifierKey: head.verifierKey,
    inference: inferenceTotals(context.program, context.deployment, totals.usage),
    reports,
  };
}

const TAKEN = { questions: z.number(), input: z.number(), output: z.number(), micros: z.number().nullable() };
const INFERENCE = z.object({
  ...TAKEN,
  currency: z.string().nullable(),
  steps: z.record(z.string(), z.object({ ...TAKEN, model: z.string() })),
});

const SHAPE = z.object({
  name: z.string(),
  generation: z.number(),
  program: z.string(),
  reason: z.enum(FINISH_REASONS),
  candidates: z.number(),
  accepted: z.number(),
  wanted: z.number().nullable(),
  corrected: z.number(),
  rejected: z.record(z.string(), z.number()),
  duplicates: z.number(),
  failed: z.number(),
  gas: z.number(),
  bytes: z.object({ local: z.number(), global: z.number() }),
  treeSize: z.number(),
  root: z.string(),
  verifierKey: z.string(),
  inference: INFERENCE.nullable().default(null),
  reports: z.record(z.string(), z.json()),
});

/** Reads the summary of a closed run. @throws LOG_CORRUPT for one of another shape. */
export function readSummary(json: Json): RunSummary {
  const parsed = SHAPE.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new MizuError(
    'LOG_CORRUPT',
    `The summary in the run's last control entry has a shape that this version does not know: ${parsed.error.issues[0]?.path.join('.') ?? ''}`,
  );
}
