/** `mizu verify FILE.json`: the attestation of one answer, as a gateway's endpoint gives it, checked without any log: who signed, and what the signature binds. */
import { readFile } from 'node:fs/promises';
import type { Attestation } from '#engine';
import { attestationKey, betaOf, equalBytes, MizuError, openAttestation, parseEnvelope, sha256, toHex, VRF_MODEL } from '#engine';
import { fileProblem } from '#topologies';
import { saidJson, saidLines } from './answer-text.ts';
import type { Context, Outcome } from './context.ts';
import { columns, grouped, oneLine } from './format.ts';
import { publicKey } from './public-key.ts';

/** Largest file that is read; proofs and attestations have a few kilobytes beside what they speak of. */
const EVIDENCE_LIMIT_BYTES = 64 * 1024 * 1024;

export interface AttestationOptions {
  /** Public key, hexadecimal. */
  readonly key: string | undefined;
  /** File with the answer as it was received. */
  readonly response: string | undefined;
}

/** @throws PROOF_INVALID, naming what does not hold; KEY_INVALID; FILE_UNREADABLE, INPUT_INVALID. */
export async function verifyAttestation(context: Context, file: string, options: AttestationOptions): Promise<Outcome> {
  const envelope = await readEvidence(file);
  const { hex: key, bytes } = publicKey(options.key ?? keyNamedBy(envelope));
  const attestation = openAttestation(envelope, [bytes]);
  if (options.response !== undefined) compareResponse(attestation, await readEvidence(options.response), options.response);
  const id = toHex(attestationKey(attestation.network, attestation));
  const { out } = context;
  const said = attestation.model.name === VRF_MODEL ? [] : saidLines({ draw: attestation.draw, attestation }, '  ');
  const lines = [
    out.style('green', `${file} verifies: ${whatIs(attestation)} for '${oneLine(attestation.step)}', signed by key ${key}`),
    columns(boundBy(attestation, id), [], '  '),
    ...said,
  ];
  if (options.response !== undefined) lines.push(`  ${options.response} is the answer that was signed, byte by byte.`);
  if (options.key === undefined)
    lines.push(
      '  This key was taken from the file itself: anybody could have signed it. If you know the key from elsewhere, give it: --key',
    );
  await out.text(lines.join('\n'));
  const { network, step, opDigest, candidate, request, response } = attestation;
  return {
    result: {
      ok: true,
      attestation: id,
      key,
      keyGiven: options.key !== undefined,
      network,
      step,
      op: toHex(opDigest),
      candidate,
      requestSha256: toHex(sha256(request)),
      responseSha256: toHex(sha256(response)),
      responseCompared: options.response !== undefined,
      ...saidJson({ draw: attestation.draw, attestation }),
    },
  };
}

function whatIs({ model, outcome }: Attestation): string {
  if (model.name === VRF_MODEL) return 'verifiable random numbers';
  return outcome.kind === 'answer' ? `an answer of model '${oneLine(model.name)}'` : `a failure of model '${oneLine(model.name)}'`;
}

function boundBy(attestation: Attestation, id: string): string[][] {
  const { network, step, opDigest, candidate, draw, request, response, status, model } = attestation;
  const digest = (bytes: Uint8Array): string => `SHA-256 ${toHex(sha256(bytes))}, ${grouped(bytes.length)} bytes`;
  return [
    ['attestation', id],
    ['network', oneLine(network)],
    ['step', oneLine(step)],
    ['op', toHex(opDigest)],
    ['candidate', `${grouped(candidate)}, draw ${grouped(draw)}`],
    ['request', digest(request)],
    ['response', digest(response)],
    model.name === VRF_MODEL ? ['beta', toHex(betaOf(attestation))] : ['status', `HTTP ${status}`],
  ];
}

/** The key that an envelope says signed it. */
function keyNamedBy(envelope: Uint8Array): string {
  const [keyid = ''] = parseEnvelope(envelope).keyids;
  if (keyid !== '') return keyid;
  throw new MizuError('USAGE', 'The attestation names no key', { component: '--key', hint: 'Give the key of the gateway: --key HEX' });
}

function compareResponse({ response }: Attestation, received: Uint8Array, file: string): void {
  if (equalBytes(response, received)) return;
  const [signed, given] = [response, received].map((bytes) => `${grouped(bytes.length)} bytes with SHA-256 ${toHex(sha256(bytes))}`);
  throw new MizuError('PROOF_INVALID', `${file} is not the answer that was signed: it has ${given}, and what was signed has ${signed}`, {
    component: file,
    hint: 'The signature covers the exact bytes of the body. Save it as it comes: parsed and written again it is another one.',
  });
}

/** @throws FILE_UNREADABLE; INPUT_INVALID for what is too large to be evidence. */
export async function readEvidence(file: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw fileProblem(file, error);
  }
  if (bytes.length > EVIDENCE_LIMIT_BYTES)
    throw new MizuError(
      'INPUT_INVALID',
      `${file} has ${grouped(bytes.length)} bytes; no proof is larger than ${grouped(EVIDENCE_LIMIT_BYTES)}`,
      { component: file },
    );
  return bytes;
}
