/** What control says, read as it grows: how far the run is, what it came to, and whose word a writer carries. */
import type { RunSummary } from '#engine';
import { offset, readSummary } from '#engine';
import { decodeControl } from '../../../engine/dispatch/signed-entry.ts';
import { sleep } from './readers.ts';
import type { Stage } from './stage.ts';

const LOOK_MS = 200;

export class ControlWatch {
  cut = 0;
  summary: RunSummary | undefined;
  private position = 0;
  private looking: Promise<void> | undefined;
  private readonly stage: Stage;
  /** Number of a member → its name. */
  private readonly names = new Map<number, string>();
  /** Stage and partition → number of the member that has it. */
  private readonly owners = new Map<string, number>();

  constructor(stage: Stage) {
    this.stage = stage;
  }

  /** Reads what is new; while the log can't be reached, nothing is. */
  look(): Promise<void> {
    this.looking ??= this.read().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
  }

  private async read(): Promise<void> {
    const { log, topics } = this.stage;
    try {
      for (;;) {
        const { entries, next } = await log.read(topics.control, 0, offset(this.position));
        if (entries.length === 0) return;
        for (const { value } of entries) {
          const { body } = decodeControl(value);
          if (body.type === 'cut') this.cut = Math.max(this.cut, body.k + 1);
          if (body.type === 'close') this.summary = readSummary(body.summary);
          if (body.type === 'admit') this.names.set(body.node, body.member);
          if (body.type === 'lease') this.owners.set(`${body.stage}/${body.partition}`, body.node);
        }
        this.position = next;
      }
    } catch {
      // The broker is away.
    }
  }

  async until(condition: () => boolean, limitMs: number): Promise<boolean> {
    const limit = Date.now() + limitMs;
    for (await this.look(); !condition(); await this.look()) {
      if (Date.now() > limit) return false;
      await sleep(LOOK_MS);
    }
    return true;
  }

  /** The process that writes under an owner's name, as a node or as owner of a keyed partition; undefined for others, and while nobody knows. */
  holderOf(owner: string): { readonly name: string | undefined; readonly writer: 'node' | 'step' } | undefined {
    const [, writer, rest = ''] = /\/(node|step)\/([0-9/]+)$/.exec(owner) ?? [];
    if (writer === 'node') return { name: this.names.get(Number(rest)), writer };
    if (writer === 'step') return { name: this.names.get(this.owners.get(rest) ?? -1), writer };
    return undefined;
  }
}
