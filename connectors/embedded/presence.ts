/**
 * What the handles of one process on one log folder share: a bell that a commit rings so that waiting readers need not
 * poll, and a mark `open/PID` that lets a LOG_BUSY error say which processes may hold the lock.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, processLives } from '#engine';
import { isStopped } from './processes.ts';

/** Owned by this module: one entry per log folder that this process has open. */
const opened = new Map<string, Presence>();

export class Presence {
  readonly #directory: string;
  readonly #listeners = new Set<() => void>();
  #handles = 0;
  #marked = false;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** `mark`: leave a mark for other processes; not for handles that only read. @throws what the file system says. */
  static enter(realDirectory: string, mark: boolean): Presence {
    const presence = opened.get(realDirectory) ?? new Presence(realDirectory);
    if (mark) presence.#leaveMark();
    opened.set(realDirectory, presence);
    presence.#handles++;
    return presence;
  }

  leave(): void {
    this.#handles--;
    if (this.#handles > 0) return;
    opened.delete(this.#directory);
    if (this.#marked) rmSync(join(this.#directory, 'open', String(process.pid)), { force: true });
  }

  onRing(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  ring(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Whether no other handle, here or in a living process, may write. */
  get isAlone(): boolean {
    return this.#handles === 1 && !markedProcesses(this.#directory).some((pid) => pid !== process.pid && processLives(pid));
  }

  /** A clause such as `process 812 (stopped) or process 977`, from the marks of living processes. */
  holders(): string {
    const names: string[] = [];
    for (const pid of markedProcesses(this.#directory)) {
      if (pid !== process.pid && processLives(pid)) names.push(`process ${pid}${isStopped(pid) ? ' (stopped)' : ''}`);
    }
    if (names.length === 0) return 'another process that has it open (`lsof` on log.db names it)';
    return names.join(' or ');
  }

  #leaveMark(): void {
    const folder = join(this.#directory, 'open');
    makeFolder(folder);
    writeFileSync(join(folder, String(process.pid)), '');
    this.#marked = true;
    for (const pid of markedProcesses(this.#directory)) {
      if (!processLives(pid)) rmSync(join(folder, String(pid)), { force: true });
    }
  }
}

function markedProcesses(directory: string): number[] {
  try {
    return readdirSync(join(directory, 'open'))
      .map(Number)
      .filter((pid) => Number.isSafeInteger(pid) && pid > 0);
  } catch {
    return [];
  }
}
