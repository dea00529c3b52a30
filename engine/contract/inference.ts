/**
 * External results (law 7). A question is bound to step, op, candidate, draw and exact request bytes; its key names it (P8). The
 * gateway answers a key once, commits the signed answer to the log *before* it returns, and returns the same answer ever after.
 */

/** Largest request of a question: question and answer fit into one entry of every log (1 MB on a broker with default settings). */
export const REQUEST_LIMIT_BYTES = 128 * 1024;

/**
 * What is called below the base address of a server: POST of the request. The first is the OpenAI API's chat completions, the second its embeddings,
 * the third a run of a hosted simulator (documents/simulators.md).
 */
export const INFERENCE_APIS = ['chat/completions', 'embeddings', 'simulations'] as const;
export type InferenceApi = (typeof INFERENCE_APIS)[number];

export interface Question {
  readonly step: string;
  readonly opDigest: Uint8Array;
  /** Candidate index in the run. */
  readonly candidate: number;
  readonly draw: number;
  /** Author's name of the model; the deployment says where it answers. */
  readonly model: string;
  /** Canonical JSON of the request body, exact bytes as signed. */
  readonly request: Uint8Array;
  /** Default: chat completions. An op asks one only, so its digest binds it. */
  readonly api?: InferenceApi | undefined;
}

/** A failure is an input too (P9): final, signed, and the same on replay. */
export type Answer =
  | { readonly kind: 'answer'; readonly response: Uint8Array }
  | { readonly kind: 'failure'; readonly code: string; readonly message: string; readonly response: Uint8Array };

export interface Gateway {
  /** @throws UPSTREAM_UNREACHABLE: fails the attempt, never a record. */
  ask(question: Question, signal: AbortSignal): Promise<Answer>;
  close(): Promise<void>;
}
