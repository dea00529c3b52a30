/** What the compiler needs from outside: files beside the workflow, and sources. And what it gives back. */
import type { Problem } from '../contract/errors.ts';
import type { DigestHex } from '../contract/ids.ts';
import type { SourceInfo, SourceRequest } from '../contract/operator.ts';
import type { SchemaVersion } from '../contract/schema-registry.ts';
import type { Deployment, Program } from '../contract/program.ts';
import type { DataSet } from '../contract/storage.ts';
import type { WorkflowDocument } from '../workflow/workflow-schema.ts';

export interface CompileHost {
  /** Path relative to the workflow file. @throws NOT_FOUND, FILE_UNREADABLE: reported as problems of the workflow. */
  readFile(path: string): Promise<Uint8Array>;
  /** Reads a source through once: counts, digests and samples it. @throws NOT_FOUND, FILE_UNREADABLE, INPUT_INVALID, SOURCE_UNAVAILABLE: as above. */
  openSource(request: SourceRequest): Promise<SourceInfo>;
  /** All versions of a subject, oldest first; `registry` is where the workflow says that it is. Absent where no registry is read. @throws REGISTRY_UNAVAILABLE, REGISTRY_REFUSED, USAGE: as above. */
  readSchemas?(registry: string | undefined, subject: string): Promise<readonly SchemaVersion[]>;
}

export type CompileInput = {
  /** Name of the workflow file, as problems show it. */
  readonly file: string;
  /** `path=value` overrides. */
  readonly sets?: readonly string[];
} & ({ readonly text: string } | { readonly spec: WorkflowDocument });

/** Gas of an op: per live record, and per 64 bytes of the fields it reads. */
export interface GasRate {
  readonly perRecord: number;
  readonly per64Bytes: number;
}

export interface Compiled {
  readonly program: Program;
  readonly digest: DigestHex;
  readonly deployment: Deployment;
  /** The data sets that the program uses, by digest. */
  readonly data: ReadonlyMap<DigestHex, DataSet>;
  readonly sourceRequest?: SourceRequest;
  /** What is allowed but seldom meant. */
  readonly warnings: readonly Problem[];
  /** By step id. */
  readonly gas: ReadonlyMap<string, GasRate>;
}
