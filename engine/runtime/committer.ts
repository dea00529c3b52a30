/**
 * Commits for one owner, one transaction at a time. What several callers want committed while one commit runs goes into the
 * next one together (P2: one commit may hold several k). Any outcome but `committed` is an error here: the role that owns
 * the committer ends and a new one reads back what is there.
 */
import { MizuError } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import type { Append, Log, LogWriter } from '../contract/log.ts';

interface Waiting {
  readonly appends: readonly Append[];
  readonly bytes: number;
  readonly resolve: (offsets: readonly Offset[]) => void;
  readonly reject: (error: unknown) => void;
}

export function appendBytes(appends: readonly Append[]): number {
  return appends.reduce((sum, append) => sum + append.value.length + (append.key?.length ?? 0), 0);
}

export class Committer {
  private readonly writer: LogWriter;
  private readonly log: Log;
  private waiting: Waiting[] = [];
  private running: Promise<void> | undefined;

  private constructor(log: Log, writer: LogWriter) {
    this.log = log;
    this.writer = writer;
  }

  /** Fences every earlier writer of the owner. */
  static async open(log: Log, owner: string): Promise<Committer> {
    return new Committer(log, await log.openWriter(owner));
  }

  /** Resolves when the appends are committed, with the offset of each. @throws LOG_LIMIT before anything is written; LOG_FENCED, DISK_FULL, LOG_UNKNOWN_OUTCOME. */
  async commit(appends: readonly Append[]): Promise<readonly Offset[]> {
    const bytes = appendBytes(appends);
    this.refuseTooLarge(bytes);
    return this.enqueue(appends, bytes);
  }

  /** What a task or step says is one transaction (law 2), so it can't be split over several. */
  private refuseTooLarge(bytes: number): void {
    const { commitBytes } = this.log.limits;
    if (bytes <= commitBytes) return;
    throw new MizuError(
      'LOG_LIMIT',
      `A commit of '${this.writer.owner}' holds ${bytes} bytes, this log takes ${commitBytes}; nothing was written`,
      {
        component: this.writer.owner,
        hint: 'What a task makes is committed at once: use smaller tasks (`task: { size: … }`), more `partitions`, or shorter records.',
      },
    );
  }

  private enqueue(appends: readonly Append[], bytes: number): Promise<readonly Offset[]> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ appends, bytes, resolve, reject });
      this.running ??= this.drain();
    });
  }

  async close(): Promise<void> {
    await this.running;
    await this.writer.close();
  }

  private async drain(): Promise<void> {
    try {
      while (this.waiting.length > 0) {
        const group = this.takeGroup();
        try {
          const [first] = group;
          const alone = group.length === 1 && first !== undefined;
          const offsets = await this.commitGroup(alone ? first.appends : group.flatMap((waiting) => waiting.appends));
          let at = 0;
          for (const { appends, resolve } of group) {
            resolve(offsets.slice(at, at + appends.length));
            at += appends.length;
          }
        } catch (error) {
          for (const waiting of group) waiting.reject(error);
        }
      }
    } finally {
      this.running = undefined;
    }
  }

  private takeGroup(): Waiting[] {
    const group: Waiting[] = [];
    let bytes = 0;
    while (this.waiting.length > 0) {
      const next = this.waiting[0] as Waiting;
      if (group.length > 0 && bytes + next.bytes > this.log.limits.commitBytes / 2) break;
      group.push(next);
      this.waiting.shift();
      bytes += next.bytes;
    }
    return group;
  }

  private async commitGroup(appends: readonly Append[]): Promise<readonly Offset[]> {
    const outcome = await this.writer.commit(appends);
    if (outcome.status === 'committed') {
      await this.writer.waitVisible();
      return outcome.offsets;
    }
    if (outcome.status === 'unknown') {
      throw new MizuError(
        'LOG_UNKNOWN_OUTCOME',
        `Whether a commit of '${this.writer.owner}' succeeded is unknown: ${outcome.error.message}`,
        {
          cause: outcome.error,
          hint: 'Start the run again with the same log: it reads back what was committed and goes on.',
        },
      );
    }
    if (outcome.error instanceof MizuError) throw outcome.error;
    const what = outcome.writerDead ? 'Another process may have taken over' : 'The log refused a commit of';
    throw new MizuError(outcome.writerDead ? 'LOG_FENCED' : 'LOG_UNAVAILABLE', `${what} '${this.writer.owner}': ${outcome.error.message}`, {
      cause: outcome.error,
      hint: 'Nothing committed is lost: the same command with the same --log goes on where it stopped.',
    });
  }
}
