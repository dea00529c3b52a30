/**
 * Attestations of external answers (law 7): what was asked, what came back, and for which network, step, op, candidate and draw, signed
 * by the gateway as an in-toto Statement v1 in a DSSE envelope. An answer that was moved, changed or signed by somebody else
 * is refused by name. There is no clock value, address or secret in it.
 */
import { MizuError } from '../contract/errors.ts';
import type { Answer, Question } from '../contract/inference.ts';
import type { Json } from '../contract/program.ts';
import type { Signer } from '../contract/signer.ts';
import { countedTokens } from './counted-tokens.ts';
import { signStatement, statement, verifyStatement } from './in-toto.ts';
import { canonicalBytes } from './jcs.ts';
import { equalBytes, sha256, toBase64, toHex, tryBase64, utf8 } from './sha256.ts';
import { betaOf, proveRandom, randomProblem, VRF_MODEL, VRF_PREDICATE_TYPE } from './vrf-attestation.ts';

/**
 * Type of the predicate, ours. Subjects: `request` and `response`, by SHA-256 of their exact bytes. The predicate holds
 * - `network`, `step`, `op` (digest of the op, hexadecimal), `candidate`, `draw`: what the answer is bound to;
 * - `model`: `name` as the author calls it, `asked` as it stood in the body that was sent, `answered` as the server called itself (or null);
 * - `request`, `response`: the exact bytes in base64. What was sent is the canonical request with `model` replaced by `model.asked`;
 * - `outcome`: `{kind: answer}` or `{kind: failure, code, message}`; `status`: of HTTP;
 * - `finishReason` (text or null) and `usage` (`promptTokens`, `completionTokens`, `totalTokens`, or null) as the server gave them.
 */
export const INFERENCE_PREDICATE_TYPE = 'urn:mizu:attestation:inference:v1';

export interface TokenUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly totalTokens: number;
}

export interface Attestation {
  readonly network: string;
  readonly step: string;
  readonly opDigest: Uint8Array;
  readonly candidate: number;
  readonly draw: number;
  readonly model: { readonly name: string; readonly asked: string; readonly answered: string | undefined };
  readonly request: Uint8Array;
  readonly response: Uint8Array;
  readonly outcome: { readonly kind: 'answer' } | { readonly kind: 'failure'; readonly code: string; readonly message: string };
  /** Status code of HTTP. */
  readonly status: number;
  readonly finishReason: string | undefined;
  readonly usage: TokenUsage | undefined;
}

/** Names a question in a network (P8): one key, one answer. 32 bytes. */
export function attestationKey(network: string, question: Omit<Question, 'model'>): Uint8Array {
  const { step, opDigest, candidate, draw, request } = question;
  return sha256(canonicalBytes({ candidate, draw, network, op: toHex(opDigest), request: toHex(sha256(request)), step }));
}

/** UTF-8 bytes of the signed envelope. */
export function signAttestation(attestation: Attestation, signer: Signer): Uint8Array {
  const { network, step, candidate, draw, model, request, response, outcome, status, usage } = attestation;
  const subject = [
    { name: 'request', digest: { sha256: toHex(sha256(request)) } },
    { name: 'response', digest: { sha256: toHex(sha256(response)) } },
  ];
  const predicate = {
    network,
    step,
    op: toHex(attestation.opDigest),
    candidate,
    draw,
    model: { name: model.name, asked: model.asked, answered: model.answered ?? null },
    request: toBase64(request),
    response: toBase64(response),
    outcome: { ...outcome },
    status,
    finishReason: attestation.finishReason ?? null,
    usage: usage === undefined ? null : { ...usage },
  };
  const random = model.name === VRF_MODEL;
  const whole: Json = random ? { ...predicate, beta: toHex(betaOf(attestation)) } : predicate;
  return utf8(signStatement(statement(subject, random ? VRF_PREDICATE_TYPE : INFERENCE_PREDICATE_TYPE, whole), [signer]));
}

/** Checks signature and content of an envelope. @throws PROOF_INVALID, saying which of them is wrong. */
export function openAttestation(envelope: Uint8Array, trustedKeys: readonly Uint8Array[]): Attestation {
  const { predicateType, predicate, subject } = verifyStatement(envelope, trustedKeys);
  const isRandom = predicateType === VRF_PREDICATE_TYPE;
  if (predicateType !== INFERENCE_PREDICATE_TYPE && !isRandom)
    throw refused(`its predicate is '${predicateType.slice(0, 80)}', not '${INFERENCE_PREDICATE_TYPE}'`);
  const from = new Fields(predicate ?? null, '');
  const model = from.inner('model');
  const attestation: Attestation = {
    network: from.text('network'),
    step: from.text('step'),
    opDigest: from.hex('op'),
    candidate: from.count('candidate'),
    draw: from.count('draw'),
    model: { name: model.text('name'), asked: model.text('asked'), answered: model.optional('answered', (at) => model.text(at)) },
    request: from.bytes('request'),
    response: from.bytes('response'),
    outcome: outcomeOf(from.inner('outcome')),
    status: from.count('status'),
    finishReason: from.optional('finishReason', (at) => from.text(at)),
    usage: from.optional('usage', (at) => usageOf(from.inner(at))),
  };
  for (const name of ['request', 'response'] as const) {
    const digest = subject.find((one) => one.name === name)?.digest['sha256'];
    if (digest !== toHex(sha256(attestation[name]))) throw refused(`its ${name} bytes do not have the digest of its subject '${name}'`);
  }
  if (isRandom !== (attestation.model.name === VRF_MODEL))
    throw refused(`its predicate is '${predicateType}', and its model '${attestation.model.name}'`);
  const problem = isRandom ? problemOf(attestation, from.text('beta'), trustedKeys) : undefined;
  if (problem !== undefined) throw refused(problem);
  return attestation;
}

function problemOf(attestation: Attestation, beta: string, trustedKeys: readonly Uint8Array[]): string | undefined {
  const { model, response: proof } = attestation;
  const alpha = attestationKey(attestation.network, attestation);
  return randomProblem(alpha, { key: model.answered ?? '', suite: model.asked, proof, beta }, trustedKeys);
}

/** The attestation of a task's random numbers, proved by the gateway's own key. @throws KEY_INVALID for a key that only signs. */
export function attestRandom(network: string, question: Question, signer: Signer): Attestation {
  const { step, opDigest, candidate, draw, request } = question;
  const proved = proveRandom(attestationKey(network, question), signer);
  return { network, step, opDigest, candidate, draw, request, ...proved };
}

/** The answer, if it was given to this very question. @throws PROOF_INVALID, naming what differs. */
export function answerTo(attestation: Attestation, network: string, question: Question): Answer {
  const differs = (what: string, has: string | number, wanted: string | number): MizuError =>
    refused(`it is of ${what} ${has}, and the question is of ${what} ${wanted}`, question);
  if (attestation.network !== network) throw differs('network', `'${attestation.network}'`, `'${network}'`);
  if (attestation.step !== question.step) throw differs('step', `'${attestation.step}'`, `'${question.step}'`);
  if (!equalBytes(attestation.opDigest, question.opDigest)) throw differs('op', toHex(attestation.opDigest), toHex(question.opDigest));
  if (attestation.candidate !== question.candidate) throw differs('candidate', attestation.candidate, question.candidate);
  if (attestation.draw !== question.draw) throw differs('draw', attestation.draw, question.draw);
  if (attestation.model.name !== question.model) throw differs('model', `'${attestation.model.name}'`, `'${question.model}'`);
  if (!equalBytes(attestation.request, question.request)) {
    throw differs('request', toHex(sha256(attestation.request)), toHex(sha256(question.request)));
  }
  const { outcome, response } = attestation;
  const tokens = countedTokens(attestation);
  return { ...outcome, response, ...(tokens === undefined ? {} : { tokens }) };
}

function refused(why: string, question?: Question): MizuError {
  const of = question === undefined ? '' : ` for candidate ${question.candidate} in step '${question.step}'`;
  return new MizuError(
    'PROOF_INVALID',
    `The attestation${of} is refused: ${why}`,
    question === undefined ? {} : { component: question.step },
  );
}

function outcomeOf(from: Fields): Attestation['outcome'] {
  const kind = from.text('kind');
  if (kind === 'answer') return { kind };
  if (kind !== 'failure') throw refused(`its outcome is '${kind.slice(0, 40)}', expected answer or failure`);
  const code = from.text('code');
  if (!/^[A-Z][A-Z0-9_]*$/.test(code)) throw refused(`its failure has the code '${code.slice(0, 40)}'`);
  return { kind, code, message: from.text('message') };
}

function usageOf(from: Fields): TokenUsage {
  return {
    promptTokens: from.count('promptTokens'),
    completionTokens: from.count('completionTokens'),
    totalTokens: from.count('totalTokens'),
  };
}

/** Reads typed fields of a predicate. */
class Fields {
  private readonly object: Readonly<Record<string, Json>>;
  private readonly path: string;

  constructor(json: Json, path: string) {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) throw refused(`'predicate${path}' is not an object`);
    this.object = json as Readonly<Record<string, Json>>;
    this.path = path;
  }

  private wrong(name: string, expected: string): MizuError {
    return refused(`'predicate${this.path}.${name}' is not ${expected}`);
  }

  inner(name: string): Fields {
    return new Fields(this.object[name] ?? null, `${this.path}.${name}`);
  }

  optional<T>(name: string, read: (name: string) => T): T | undefined {
    const value = this.object[name];
    return value === null || value === undefined ? undefined : read(name);
  }

  text(name: string): string {
    const value = this.object[name];
    if (typeof value !== 'string') throw this.wrong(name, 'a text');
    return value;
  }

  count(name: string): number {
    const value = this.object[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw this.wrong(name, 'a whole number');
    return value;
  }

  hex(name: string): Uint8Array {
    const text = this.text(name);
    if (!/^[0-9a-f]{64}$/.test(text)) throw this.wrong(name, 'a SHA-256 digest');
    return Buffer.from(text, 'hex');
  }

  bytes(name: string): Uint8Array {
    const bytes = tryBase64(this.text(name));
    if (bytes === undefined) throw this.wrong(name, 'base64');
    return bytes;
  }
}
