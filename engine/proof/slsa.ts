/**
 * SLSA Provenance v1 (slsa.dev/spec/v1.0/provenance): how exported files came to be, from a program, inputs and a builder. It holds no
 * clock value, so the same run always has the same provenance (law 1).
 */
import type { Json } from '../contract/program.ts';
import type { ResourceDescriptor, Statement } from './in-toto.ts';
import { statement } from './in-toto.ts';

export const PROVENANCE_TYPE = 'https://slsa.dev/provenance/v1';

export interface ProvenanceInput {
  /** Files that were made; sha256 in lower-case hexadecimal. */
  readonly subjects: readonly { readonly name: string; readonly sha256: string }[];
  /** URI that says how to read the parameters. */
  readonly buildType: string;
  /** What the author chose. */
  readonly externalParameters: Readonly<Record<string, Json>>;
  /** What the builder set. */
  readonly internalParameters?: Readonly<Record<string, Json>>;
  /** Data sets and other inputs. */
  readonly resolvedDependencies?: readonly ResourceDescriptor[];
  /** URI of who ran it. */
  readonly builderId: string;
  /** Name → version of the builder's parts. */
  readonly builderVersion?: Readonly<Record<string, string>>;
  /** Names the run, such as NAME/GENERATION. */
  readonly invocationId?: string;
  readonly byproducts?: readonly ResourceDescriptor[];
}

/** The statement. @throws PROOF_INVALID for a subject without a SHA-256 digest. */
export function provenance(input: ProvenanceInput): Statement {
  const subject = input.subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } }));
  const list = (descriptors: readonly ResourceDescriptor[]): Json => descriptors.map((one): Json => ({ ...one }));
  const predicate: Json = {
    buildDefinition: {
      buildType: input.buildType,
      externalParameters: input.externalParameters,
      ...(input.internalParameters === undefined ? {} : { internalParameters: input.internalParameters }),
      ...(input.resolvedDependencies === undefined ? {} : { resolvedDependencies: list(input.resolvedDependencies) }),
    },
    runDetails: {
      builder: { id: input.builderId, ...(input.builderVersion === undefined ? {} : { version: input.builderVersion }) },
      ...(input.invocationId === undefined ? {} : { metadata: { invocationId: input.invocationId } }),
      ...(input.byproducts === undefined ? {} : { byproducts: list(input.byproducts) }),
    },
  };
  return statement(subject, PROVENANCE_TYPE, predicate);
}
