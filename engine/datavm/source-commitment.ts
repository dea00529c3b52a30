/**
 * What the source op of a block commits to (P13): where its candidates come from, their exact bytes, and those that control declared
 * poisonous. Needs no execution, so an auditor computes it as cheaply as a node does.
 */
import type { Program } from '../contract/program.ts';
import { ByteWriter } from '../proof/byte-writer.ts';
import type { Drop } from '../proof/effect.ts';
import { hashEffect } from '../proof/effect.ts';
import { canonicalBytes } from '../proof/jcs.ts';
import { sha256, toHex } from '../proof/sha256.ts';
import { SOURCE_FIELD } from '../compile/kernel-fields.ts';
import { kernelOpDigest } from './program-loader.ts';

/** (partition, from, to) of the source. */
export type SourceRanges = readonly (readonly [number, number, number])[];

export interface BlockSource {
  readonly k: number;
  /** Number of the block in its task. */
  readonly number: number;
  /** Candidate index in the run of the block's first candidate. */
  readonly first: number;
  readonly count: number;
  /** Exact bytes of the block's records; empty for a generator. */
  readonly records: readonly Uint8Array[];
  /** The same as Avro, one after the other, if they lie so already. */
  readonly values?: Uint8Array | undefined;
  /** Candidates of this block that are failed before any op, ascending. */
  readonly drops: readonly Drop[];
  /** Of a task of a topic: what control cut for it, as only control can say it. Records of files follow from k alone. */
  readonly ranges?: SourceRanges | undefined;
  /** Output of the task's verifiable random function, where the program draws from it. */
  readonly beta?: Uint8Array | undefined;
}

/** Whether a step draws from verifiable random numbers. */
export function drawsVrf(program: Pick<Program, 'stages'>): boolean {
  return program.stages.some(({ ops }) => ops.some((op) => op.random === 'vrf'));
}

export interface SourceCommitment {
  readonly input: Uint8Array;
  readonly effectHash: Uint8Array;
}

export function sourceOpDigest(program: Program): Uint8Array {
  return kernelOpDigest('source', program.source === undefined ? null : { ...program.source });
}

export function sourceCommitment(programDigest: Uint8Array, source: BlockSource): SourceCommitment {
  const { k, number, first, count, ranges, beta } = source;
  const cut = { ...(ranges === undefined ? {} : { ranges }), ...(beta === undefined ? {} : { vrf: toHex(sha256(beta)) }) };
  const input = sha256(canonicalBytes({ block: number, count, first, k, program: toHex(programDigest), stage: 0, ...cut }));
  const effectHash = hashEffect({
    verdicts: new Uint8Array(count),
    drops: source.drops,
    changes: [{ field: SOURCE_FIELD.name, rows: new Uint32Array(0), values: source.values ?? avroOf(source.records) }],
    answers: new Uint8Array(0),
    delta: new Uint8Array(0),
    charge: 0,
  });
  return { input, effectHash };
}

function avroOf(records: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter();
  for (const record of records) writer.bytes(record);
  return writer.take();
}

/** A candidate whose every attempt died (P9). `record`: its bytes before any op; they are not part of the effect. */
export function poisonDrop(i: number, record: Uint8Array): Drop {
  return {
    kind: 'failed',
    i,
    stage: 0,
    op: -1,
    step: 'source',
    rule: '',
    measured: undefined,
    limit: undefined,
    code: 'POISON',
    message: 'Every attempt at a task with this candidate died',
    winner: undefined,
    record,
  };
}
