/**
 * Why a pool is finished. `accepted`: the exact count is there. `exhausted`: all candidates were used. `budget`: one task more could take more
 * tokens or money than is left (P15). `drained`: its operator ended it.
 */
export const FINISH_REASONS = ['accepted', 'exhausted', 'budget', 'drained'] as const;
export type FinishReason = (typeof FINISH_REASONS)[number];
