/** What a gateway is opened with, and what it gives beyond the engine's own `Gateway`. */
import type { Append, Attestation, Gateway, LocalStorage, Log, MizuError, ModelAddress, Question, Signer } from '#engine';
import type { Transport } from './http-call.ts';
import type { GatewayLimits } from './limits.ts';
import type { CallEnd, PaceState } from './model-pace.ts';
import type { StreamSink } from './stream-relay.ts';
import type { Timing } from './timing.ts';

export interface GatewayOptions {
  readonly log: Log;
  /** NAME/GENERATION of the run: the writer's owner is `TITLE/gateway`. */
  readonly title: string;
  /** Attestation topic of the run, one partition. */
  readonly topic: string;
  /** Attestation topics of earlier generations: their answers are shared in the network (P12) and copied when used, so that a run can be replayed from its own topics. */
  readonly earlier?: readonly string[];
  readonly network: string;
  readonly models: Readonly<Record<string, ModelAddress>>;
  readonly signer: Signer;
  /** Keys of other gateways whose recorded answers are taken, beside the signer's own. */
  readonly trustedKeys?: readonly Uint8Array[];
  readonly local: LocalStorage;
  /** The environment, for keys. */
  readonly env: (name: string) => string | undefined;
  /** Ends every call; the gateway then answers no more. */
  readonly signal?: AbortSignal;
  readonly limits?: Partial<GatewayLimits>;
  readonly timing?: Timing;
  /** How servers are called; default: HTTP. */
  readonly transport?: Transport;
  /** What else is committed with the answer to a question, all or nothing. */
  readonly alongside?: (key: Uint8Array, question: Question, attestation: Attestation) => readonly Append[];
  /** Told of every new answer, once it is recorded. */
  readonly onAnswer?: (question: Question, attestation: Attestation) => void;
  /** Told of every call's end. */
  readonly onCall?: (model: string, end: CallEnd['kind']) => void;
  /** Told once why nothing more can be recorded, when another gateway took over. */
  readonly onBroken?: (error: MizuError) => void;
}

/** A recorded answer with all that is signed with it. */
export interface RecordedAnswer {
  readonly attestation: Attestation;
  readonly key: Uint8Array;
  /** It was on the log before it was asked for. */
  readonly before: boolean;
}

export type Standing = 'recorded' | 'asked' | 'new';

/** Counted since the gateway was opened. */
export interface GatewayCounts {
  readonly questions: number;
  /** Answered from the log. */
  readonly recorded: number;
  /** Joined to an equal question on its way. */
  readonly joined: number;
  /** HTTP calls, tries included. */
  readonly calls: number;
  /** New answers. */
  readonly answers: number;
  /** Their tokens, as servers counted them. */
  readonly tokens: number;
  /** All answers in the run's own record: those that were there before, those taken over from earlier generations, and new ones. */
  readonly held: number;
}

export interface InferenceGateway extends Gateway {
  readonly counts: GatewayCounts;
  /** How fast each model is called now. */
  readonly paces: ReadonlyMap<string, { readonly state: PaceState }>;
  /**
   * As `ask`, with all that is signed. A question whose body says `stream: true` is answered by an event stream; its events go to the sink as they come,
   * but for the last, unless the answer was recorded before or another one asked first. The whole stands in the attestation.
   */
  answerFor(question: Question, signal: AbortSignal, sink?: StreamSink): Promise<RecordedAnswer>;
  /** Whether a question's answer costs something: it is recorded, it is being asked, or neither. */
  standing(key: Uint8Array): Promise<Standing>;
  /** Resolves once nobody asks the question of this key: its answer is recorded, or there is none. */
  settled(key: Uint8Array): Promise<void>;
  /** The recorded envelope of a question's key. */
  envelope(key: Uint8Array): Promise<Uint8Array | undefined>;
}
