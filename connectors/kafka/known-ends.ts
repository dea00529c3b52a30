/**
 * How far each partition is known to reach. A broker that has just become the leader of a partition may for some moments know of less than the one
 * before it had told: it sends nothing from there on, as if the end were reached (KIP-207 says so of the question for the end, which it refuses meanwhile).
 */
import { MizuError } from '#engine';
import type { PartitionAddress } from './api.ts';
import { RETRY_DEADLINE_MS } from './limits.ts';
import { Pauses } from './retry.ts';

export class KnownEnds {
  readonly #ask: (place: PartitionAddress) => Promise<number>;
  /** By partition, the furthest end that any broker told. */
  readonly #ends = new Map<string, number>();
  /** Partitions whose end was asked for, and not only seen beside what a fetch brought. */
  readonly #asked = new Set<string>();

  /** `ask`: a leader that does not know the end yet refuses, and is asked again. */
  constructor(ask: (place: PartitionAddress) => Promise<number>) {
    this.#ask = ask;
  }

  note(place: PartitionAddress, end: number): void {
    const name = nameOf(place);
    if (end > (this.#ends.get(name) ?? 0)) this.#ends.set(name, end);
  }

  /** The last stable offset: everything below is committed or aborted. Never below one that was told before. @throws LOG_UNAVAILABLE past the deadline. */
  async end(place: PartitionAddress): Promise<number> {
    const pauses = new Pauses(RETRY_DEADLINE_MS);
    for (;;) {
      const end = await this.#ask(place);
      this.#asked.add(nameOf(place));
      this.note(place, end);
      if (!this.#isBehind(place, end)) return end;
      await pauseFor(place, pauses);
    }
  }

  /** Whether a fetch from `position` that brought nothing, of a partition that ends at `lastStable` by the same answer, reached the end. Asks once for each partition. */
  async isEnd(place: PartitionAddress, position: number, lastStable: number): Promise<boolean> {
    this.note(place, lastStable);
    if (!this.#asked.has(nameOf(place))) await this.end(place);
    return !this.#isBehind(place, position);
  }

  #isBehind(place: PartitionAddress, position: number): boolean {
    return position < (this.#ends.get(nameOf(place)) ?? 0);
  }
}

/** Before another try: committed entries are said to be there, and are not sent. @throws LOG_UNAVAILABLE when there may be no other. */
export async function pauseFor(place: PartitionAddress, pauses: Pauses): Promise<void> {
  if (pauses.over) {
    const name = nameOf(place);
    throw new MizuError('LOG_UNAVAILABLE', `${name} gave no entries for ${RETRY_DEADLINE_MS} ms though there are some`, {
      component: name,
      hint: 'Look at the state of the brokers: a replica may be behind.',
    });
  }
  await pauses.pause();
}

const nameOf = ({ topic, partition }: PartitionAddress): string => `${topic}/${partition}`;
