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

/** What a question took of a model, in tokens; whole numbers. */
export interface Tokens {
  readonly input: number;
  readonly output: number;
}

/** What a step asked and took: of one block, one task, or a whole run. */
export interface StepUsage extends Tokens {
  readonly questions: number;
}

/** By step id; steps that asked nothing are left out. */
export type Usage = Readonly<Record<string, StepUsage>>;

/** A failure is an input too (P9): final, signed, and the same on replay. `tokens`: what counts against budgets (P15); absent: nothing. */
export type Answer = { readonly response: Uint8Array; readonly tokens?: Tokens } & (
  | { readonly kind: 'answer' }
  | { readonly kind: 'failure'; readonly code: string; readonly message: string }
);

export interface Gateway {
  /** @throws UPSTREAM_UNREACHABLE: fails the attempt, never a record. */
  ask(question: Question, signal: AbortSignal): Promise<Answer>;
  close(): Promise<void>;
}
