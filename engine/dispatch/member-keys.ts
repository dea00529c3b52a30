/**
 * Whose signature counts for what (law 7): a result or question for the keys that its member's number was admitted with, an attestation for
 * the run's own key and those of the members that were appointed gateway. Algebra: a fold over control that only grows, by admissions.
 */
import type { ControlBody } from './control-entry.ts';
import type { QuestionBody, ResultBody } from './member-entry.ts';
import type { SignedEntry } from './signed-entry.ts';
import { verifySigned, verifySignedAside } from './signed-entry.ts';
import { fromHex } from '../proof/sha256.ts';

/** As it stands in a snapshot (P14): [number, its keys], and the keys whose attestations count. */
export interface MemberKeysState {
  readonly admitted: readonly (readonly [number, readonly string[]])[];
  readonly trusted: readonly string[];
}

export class MemberKeys {
  /** Every key that a number was admitted with, the newest last: what an earlier life signed may still be read. Hexadecimal. */
  private readonly admitted = new Map<number, string[]>();
  private readonly trusted = new Set<string>();

  static load({ admitted, trusted }: MemberKeysState): MemberKeys {
    const self = new MemberKeys();
    for (const [node, keys] of admitted) self.admitted.set(node, [...keys]);
    for (const key of trusted) self.trusted.add(key);
    return self;
  }

  /** In order of number; keys in the order in which they came. */
  save(): MemberKeysState {
    return { admitted: [...this.admitted].sort(([a], [b]) => a - b), trusted: [...this.trusted] };
  }

  note(body: ControlBody): void {
    if (body.type === 'open') this.trusted.add(body.key);
    if (body.type === 'admit') {
      const before = this.of(body.node).filter((key) => key !== body.key);
      this.admitted.set(body.node, [...before, body.key]);
    }
    if (body.type !== 'appoint' || body.role !== 'gateway') return;
    const key = this.of(body.node).at(-1);
    if (key !== undefined) this.trusted.add(key);
  }

  of(node: number): readonly string[] {
    return this.admitted.get(node) ?? [];
  }

  /** Keys whose attestations count, 32 bytes each. */
  get gateways(): Uint8Array[] {
    return [...this.trusted].map(fromHex);
  }

  /** Whether the member that an entry names signed it. `run`: NAME/GENERATION. */
  signed(context: 'mizu-result-v1' | 'mizu-question-v1', run: string, entry: SignedEntry<ResultBody | QuestionBody>): boolean {
    return this.of(entry.body.node).some((key) => verifySigned(context, run, entry, fromHex(key)));
  }

  /** The same on threads of Node's pool. */
  async signedAside(context: 'mizu-result-v1', run: string, entry: SignedEntry<ResultBody>): Promise<boolean> {
    for (const key of this.of(entry.body.node)) if (await verifySignedAside(context, run, entry, fromHex(key))) return true;
    return false;
  }
}
