/** What a retention took of a run that is verified: of it can only be said that it could not be looked at. A run that is alive goes on forgetting while this reads. */
import type { CheckedGroup } from './check-leaves.ts';
import { entriesOf, outCounts } from './check-frames.ts';
import type { KeptTasks, OutKind } from './kept-tasks.ts';
import { OUT_KINDS } from './kept-tasks.ts';
import type { RunReader } from './run-reader.ts';
import type { PublishedTask } from './topic-merge.ts';

export class ForgottenTasks {
  readonly topics = new Set<string>();
  /** The last task of which something is gone; −1 if there is none. */
  last = -1;

  /** Of task k, something that stood in the topic is gone. */
  note(k: number, topic: string): void {
    this.topics.add(topic);
    this.last = Math.max(this.last, k);
  }

  /** Reads what may be gone; undefined, and noted, if it is. */
  async read<T>(
    reader: RunReader,
    k: number,
    topic: string,
    isThere: (kept: KeptTasks) => boolean,
    read: () => Promise<T>,
  ): Promise<{ readonly value: T } | undefined> {
    if (isThere(reader.retained)) {
      try {
        return { value: await read() };
      } catch (error) {
        if (isThere(await reader.lookAgain())) throw error;
      }
    }
    this.note(k, topic);
    return undefined;
  }

  /** Kinds of published entries of which the leaves count more than a log that forgets has left. */
  async outKinds(reader: RunReader, k: number, groups: readonly CheckedGroup[], parts: readonly PublishedTask[]): Promise<OutKind[]> {
    const counted = outCounts(groups);
    const short = OUT_KINDS.filter((kind) => entriesOf(parts, kind) < counted[kind]);
    if (short.length === 0) return [];
    const isGone = (kept: KeptTasks): OutKind[] => short.filter((kind) => kept.doubtful(k).includes(kind));
    const known = isGone(reader.retained);
    return known.length > 0 ? known : isGone(await reader.lookAgain());
  }
}
