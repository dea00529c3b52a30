/** The doctor's result as a signed in-toto statement about the vectors: whoever has the key can show that this machine computed them all, or which it did not. */
import type { Json, Signer } from '#engine';
import { MizuError, parseEnvelope, parseStatement, signStatement, statement, toHex, verifyStatement } from '#engine';
import { z } from 'zod';

export const DOCTOR_PREDICATE = 'urn:mizu:doctor:v1';
const VECTORS_NAME = 'determinism-vectors';

const PREDICATE = z.strictObject({
  mizu: z.string(),
  node: z.string(),
  platform: z.string(),
  vectors: z.int(),
  wrong: z.array(z.strictObject({ family: z.string(), name: z.string() })),
  mayBeNode: z.boolean(),
});

/** Holds no time: the same machine says the same. */
export type DoctorFindings = z.infer<typeof PREDICATE>;

export interface DoctorStatement {
  /** SHA-256 of the vectors that were checked. */
  readonly vectors: string;
  readonly findings: DoctorFindings;
  /** Public key that signed, hexadecimal. */
  readonly key: string;
}

export function signDoctor(vectors: string, findings: DoctorFindings, signer: Signer): string {
  const subject = [{ name: VECTORS_NAME, digest: { sha256: vectors } }];
  return signStatement(statement(subject, DOCTOR_PREDICATE, JSON.parse(JSON.stringify(findings)) as Json), [signer]);
}

/** Whether these bytes are an envelope around a doctor's statement, well signed or not. */
export function isDoctorStatement(envelope: Uint8Array): boolean {
  try {
    return parseStatement(parseEnvelope(envelope).payload).predicateType === DOCTOR_PREDICATE;
  } catch (error) {
    if (error instanceof MizuError) return false;
    throw error;
  }
}

/** @param key that must have signed, 32 bytes. @throws PROOF_INVALID. */
export function verifyDoctor(envelope: Uint8Array, key: Uint8Array): DoctorStatement {
  const { subject, predicateType, predicate } = verifyStatement(envelope, [key]);
  const findings = PREDICATE.safeParse(predicate);
  const vectors = subject[0]?.digest['sha256'];
  if (predicateType !== DOCTOR_PREDICATE || !findings.success || vectors === undefined)
    throw new MizuError(
      'PROOF_INVALID',
      `This is no statement of a doctor: its type is '${predicateType.slice(0, 80)}', expected ${DOCTOR_PREDICATE}`,
    );
  return { vectors, findings: findings.data, key: toHex(key) };
}
