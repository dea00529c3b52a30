/** `mizu verify FILE.json` of what `mizu doctor` wrote: who signed it, and what it says of the machine. */
import { parseEnvelope } from '#engine';
import { readVectors, verifyDoctor } from '#topologies';
import type { Context, Outcome } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { columns, grouped, oneLine } from './format.ts';
import { publicKey } from './public-key.ts';

/** Exit code 1 for a machine that may be no node, however well that is signed. @throws PROOF_INVALID, KEY_INVALID. */
export async function verifyDoctorFile(context: Context, file: string, envelope: Uint8Array, given: string | undefined): Promise<Outcome> {
  const key = publicKey(given ?? parseEnvelope(envelope).keyids[0] ?? '');
  const { vectors, findings } = verifyDoctor(envelope, key.bytes);
  const own = readVectors().digest === vectors;
  const { out } = context;
  const says = findings.mayBeNode ? 'the machine may be a node' : 'the machine may be no node';
  const lines = [
    out.style(findings.mayBeNode ? 'green' : 'red', `${file} verifies: ${says}, signed by key ${key.hex}`),
    columns(
      [
        ['machine', oneLine(`Mizu ${findings.mizu} on Node ${findings.node}, ${findings.platform}`)],
        ['vectors', `${grouped(findings.vectors)}, SHA-256 ${vectors}${own ? ', those of this version' : ', not those of this version'}`],
        ...findings.wrong.map(({ family, name }) => ['wrong', oneLine(`${family}, ${name}`)]),
      ],
      [],
      '  ',
    ),
  ];
  if (given === undefined)
    lines.push(
      '  This key was taken from the file itself: anybody could have signed it. If you know the key from elsewhere, give it: --key',
    );
  await out.text(lines.join('\n'));
  return {
    exitCode: findings.mayBeNode ? EXIT.done : EXIT.failed,
    result: {
      ok: findings.mayBeNode,
      ...findings,
      wrong: [...findings.wrong],
      vectorsSha256: vectors,
      ownVectors: own,
      key: key.hex,
      keyGiven: given !== undefined,
    },
  };
}
