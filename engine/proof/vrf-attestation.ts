/**
 * Verifiable random numbers by the gateway's way (law 7): a question of its own for each task, answered by a VRF proof under the gateway's key. Its input
 * alpha is the key of the question (P8), so a proof is bound to network, seed and task, and nobody can choose among several.
 */
import type { Answer, Question } from '../contract/inference.ts';
import type { Signer } from '../contract/signer.ts';
import { checkPublicKey } from './ed25519.ts';
import { canonicalBytes } from './jcs.ts';
import { equalBytes, fromHex, sha256, toHex } from './sha256.ts';
import { vrfJudge, vrfOutput, vrfProveBy } from './vrf.ts';

/** Type of the predicate, ours: that of an answer, with the suite as the model that was asked, the key as who answered, and `beta`. */
export const VRF_PREDICATE_TYPE = 'urn:mizu:attestation:vrf:v1';
/** RFC 9381 section 5.5. */
export const VRF_SUITE = 'ECVRF-EDWARDS25519-SHA512-TAI';
/** Stands for the model in such a question; no author's model can be called so. */
export const VRF_MODEL = '$vrf';
/** Step id of such a question. */
export const VRF_STEP = 'vrf';

/** Of the op that asks: the same in every program, so that no other program gets other numbers (P6). */
export const VRF_OP = sha256(canonicalBytes({ op: 'vrf', params: null, version: 1 }));

/** The question for the random numbers of a task. `first`: its first candidate's index in the run. */
export function vrfQuestion(seed: number | string, k: number, first: number): Question {
  return { step: VRF_STEP, opDigest: VRF_OP, candidate: first, draw: 0, model: VRF_MODEL, request: canonicalBytes({ k, seed }) };
}

/** What an attestation of the answer says beside what the question says; `alpha` is the key of the question. @throws KEY_INVALID. */
export function proveRandom(alpha: Uint8Array, signer: Signer) {
  const { proof } = vrfProveBy(signer, alpha);
  return {
    model: { name: VRF_MODEL, asked: VRF_SUITE, answered: toHex(signer.publicKey) },
    response: proof,
    outcome: { kind: 'answer' },
    status: 200,
    finishReason: undefined,
    usage: undefined,
  } as const;
}

/** Why a proof is refused; undefined if it is good for `alpha` under one of the keys. */
export function randomProblem(
  alpha: Uint8Array,
  { key, suite, proof, beta }: { readonly key: string; readonly suite: string; readonly proof: Uint8Array; readonly beta: string },
  trustedKeys: readonly Uint8Array[],
): string | undefined {
  if (suite !== VRF_SUITE) return `its VRF suite is '${suite.slice(0, 40)}', not '${VRF_SUITE}'`;
  if (!/^[0-9a-f]{64}$/.test(key)) return 'its VRF key is not 32 bytes in hexadecimal';
  const publicKey = fromHex(key);
  const problem = checkPublicKey(publicKey);
  if (problem !== undefined) return `its VRF key is refused: ${problem}`;
  if (!trustedKeys.some((trusted) => equalBytes(trusted, publicKey))) return `its VRF proof is under the key ${key}, which is no gateway's`;
  const judged = vrfJudge(publicKey, alpha, proof);
  if (typeof judged === 'string') return `its VRF proof is refused: ${judged}`;
  return toHex(judged) === beta ? undefined : 'its beta is not that of its VRF proof';
}

/** beta of an answer that was checked. @throws PROOF_INVALID. */
export function betaOf(answer: Pick<Answer, 'response'>): Uint8Array {
  return vrfOutput(answer.response);
}
