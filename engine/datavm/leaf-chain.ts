/** Makes the leaves of one task or step: each op's output commitment is the next one's input (law 2). */
import type { LeafCounts } from '../proof/leaf.ts';
import { encodeLeaf, outputCommitment } from '../proof/leaf.ts';

export interface LeafPlace {
  readonly program: Uint8Array;
  readonly stage: number;
  readonly partition: number;
  readonly k: number;
}

export interface LinkInput {
  readonly step: string;
  readonly opDigest: Uint8Array;
  readonly effectHash: Uint8Array;
  readonly counts: Partial<LeafCounts> & { readonly in: number; readonly kept: number };
  readonly gas: number;
  readonly state?: Uint8Array;
  readonly root?: Uint8Array;
}

export class LeafChain {
  private readonly place: LeafPlace;
  private readonly block: number;
  private readonly out: Uint8Array[];
  private op: number;
  /** Commitment that the next link takes as its input. */
  commitment: Uint8Array;

  constructor(place: LeafPlace, block: number, firstOp: number, input: Uint8Array, out: Uint8Array[]) {
    this.place = place;
    this.block = block;
    this.op = firstOp;
    this.commitment = input;
    this.out = out;
  }

  link(input: LinkInput): void {
    const output = outputCommitment(this.commitment, input.opDigest, input.effectHash);
    this.out.push(
      encodeLeaf({
        ...this.place,
        block: this.block,
        op: this.op++,
        step: input.step,
        opDigest: input.opDigest,
        input: this.commitment,
        output,
        counts: { changed: 0, rejected: 0, failed: 0, duplicates: 0, flagged: 0, ...input.counts },
        gas: input.gas,
        state: input.state,
        root: input.root,
      }),
    );
    this.commitment = output;
  }
}
