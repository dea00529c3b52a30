/** The checked attestations of a run on an embedded log, in order: what was paid for. */
import { type Attestation, canonicalBytes, parseStrictJson, readAttestations, type RunName, RunTopics, VRF_MODEL } from '#engine';
import { openLog, openSigner } from '#topologies';

export async function recordedAttestations(directory: string, run: RunName): Promise<readonly Attestation[]> {
  const log = await openLog(directory, { readOnly: true });
  const all: Attestation[] = [];
  for await (const { attestation } of readAttestations(log, new RunTopics(run).attestations, [openSigner(log).publicKey]))
    all.push(attestation);
  await log.close();
  return all;
}

/** The bodies that were sent for what is recorded: the canonical request with the server's name of the model. */
export async function paidBodies(directory: string, run: RunName): Promise<ReadonlySet<string>> {
  const asked = (await recordedAttestations(directory, run)).filter(({ model }) => model.name !== VRF_MODEL);
  return new Set(
    asked.map(({ request, model }) => {
      const body = parseStrictJson(request) as { readonly [key: string]: never };
      return Buffer.from(canonicalBytes({ ...body, model: model.asked })).toString();
    }),
  );
}
