/**
 * The gateway of a replay: answers from the log alone, never from a network (law 3). Each answer's signature, bytes and binding are checked
 * when it is used (law 7).
 */
import { invariant, MizuError } from '../contract/errors.ts';
import type { Gateway, Question } from '../contract/inference.ts';
import type { Log } from '../contract/log.ts';
import type { LocalStorage } from '../contract/storage.ts';
import { type Attestation, answerTo, attestationKey, openAttestation } from '../proof/attestation.ts';
import { verifyEnvelope } from '../proof/dsse.ts';
import { equalBytes } from '../proof/sha256.ts';
import { AttestationTable } from './attestation-table.ts';
import { readAll } from './log-cursor.ts';

export interface RecordedGatewayOptions {
  readonly log: Log;
  /** Attestation topic of the run. */
  readonly topic: string;
  readonly network: string;
  /** Public keys of gateways, 32 bytes each. */
  readonly trustedKeys: readonly Uint8Array[];
  readonly local: LocalStorage;
}

/** Answers, and what stands behind each. */
export interface RecordedGateway extends Gateway {
  /** The checked attestation of a question's answer. Throws as `ask`. */
  evidence(question: Question): Promise<Evidence>;
}

export interface Evidence {
  /** Key of the question (P8), which names the attestation. */
  readonly key: Uint8Array;
  readonly attestation: Attestation;
  /** The key of the gateway that signed. */
  readonly signedBy: Uint8Array;
}

/** `ask` throws SOURCE_UNAVAILABLE when no answer is recorded, PROOF_INVALID when the recorded one is not an answer to the question. */
export async function recordedGateway(options: RecordedGatewayOptions): Promise<RecordedGateway> {
  const { log, topic, network, trustedKeys, local } = options;
  const table = await AttestationTable.open({ log, topics: [topic], local });
  const find = async (question: Question): Promise<Uint8Array> => {
    const found = await table.find(attestationKey(network, question));
    if (found !== undefined) return found.envelope;
    throw new MizuError(
      'SOURCE_UNAVAILABLE',
      `No answer is recorded for candidate ${question.candidate}, draw ${question.draw} of step '${question.step}' in topic '${topic}'`,
      {
        component: question.step,
        hint: 'A replay asks no model. The attestations of a run must be kept as long as its frames.',
      },
    );
  };
  return {
    ask: async (question) => answerTo(openAttestation(await find(question), trustedKeys), network, question),
    async evidence(question) {
      const envelope = await find(question);
      const attestation = openAttestation(envelope, trustedKeys);
      answerTo(attestation, network, question);
      const [signedBy] = verifyEnvelope(envelope, trustedKeys).keys;
      invariant(signedBy !== undefined, 'a verified envelope is signed');
      return { key: attestationKey(network, question), attestation, signedBy };
    },
    close: async () => table.close(),
  };
}

/** One entry of an attestation topic, checked. */
export interface RecordedAttestation {
  readonly offset: number;
  readonly key: Uint8Array;
  readonly attestation: Attestation;
}

/**
 * Every attestation of a topic in order, each with its signature and bytes checked and its key derived again. The first of a key is the answer.
 * @throws PROOF_INVALID, naming the entry.
 */
export async function* readAttestations(log: Log, topic: string, trustedKeys: readonly Uint8Array[]): AsyncGenerator<RecordedAttestation> {
  for await (const entry of readAll(log, topic, 0)) {
    const key = entry.key ?? new Uint8Array(0);
    const attestation = openEntry(entry.value, trustedKeys, `${topic}@${entry.offset}`);
    if (!equalBytes(attestationKey(attestation.network, attestation), key)) {
      throw new MizuError('PROOF_INVALID', `Attestation ${entry.offset} of topic '${topic}' stands under the key of another question`, {
        component: attestation.step,
      });
    }
    yield { offset: entry.offset, key, attestation };
  }
}

function openEntry(envelope: Uint8Array, trustedKeys: readonly Uint8Array[], component: string): Attestation {
  try {
    return openAttestation(envelope, trustedKeys);
  } catch (error) {
    if (!(error instanceof MizuError)) throw error;
    throw new MizuError(error.code, `${component}: ${error.message}`, { cause: error, component });
  }
}
