/** Damages a file of an embedded log and looks at what a reader is then served. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { checkStorage, type Log } from '#engine';
import { codeOf, readAll } from './log-tools.ts';
import { quickFolder } from './run-support.ts';

/** Everything that a reader is served, topic by topic. */
export async function everything(log: Log): Promise<string> {
  const contents: unknown[] = [];
  for (const { name, partitions } of await log.topics()) {
    for (let partition = 0; partition < partitions; partition++) {
      const entries = await readAll(log, name, partition);
      const shown = entries.map(({ key, value, headers }) => [
        Buffer.from(key ?? []).toString('hex'),
        Buffer.from(value).toString('hex'),
        headers,
      ]);
      contents.push([name, partition, await log.end(name, partition), shown]);
    }
  }
  return JSON.stringify(contents);
}

/** What a reader is served; whatever it is refused, a look at all of the store names, too. */
export async function served(directory: string): Promise<string> {
  const log = await openEmbeddedLog({ directory, readOnly: true });
  try {
    const given = await everything(log).catch((error: Error) => error);
    const { problems } = await checkStorage(log, '');
    if (typeof given === 'string') return given;
    expect(problems.length, given.message).toBeGreaterThan(0);
    throw given;
  } finally {
    await log.close();
  }
}

/** A copy of a log, one of whose files can be changed again and again. */
export class Damage {
  readonly directory = quickFolder();
  private readonly sound: string;
  private whole: string | undefined;

  constructor(sound: string) {
    this.sound = sound;
  }

  /** What a reader is given when the file holds these bytes, or is not there: its content, or the error. */
  async outcome(file: string, bytes: Uint8Array | undefined): Promise<string | Error> {
    rmSync(this.directory, { recursive: true, force: true });
    cpSync(this.sound, this.directory, { recursive: true });
    const path = join(this.directory, file);
    if (bytes === undefined) rmSync(path);
    else writeFileSync(path, bytes);
    return served(this.directory).catch((error: Error) => error);
  }

  /** That a reader is given the right bytes, or LOG_CORRUPT that names one of the files: the one that was changed, or what its rows then name. @returns whether it was refused. */
  async expectNamed(file: string, bytes: Uint8Array | undefined, what: string, named: RegExp | string = file): Promise<boolean> {
    this.whole ??= await served(this.sound);
    const given = await this.outcome(file, bytes);
    if (typeof given === 'string') {
      expect(given === this.whole, `${what}: other bytes are served`).toBe(true);
      return false;
    }
    expect(codeOf(given), `${what}: ${given.message}`).toBe('LOG_CORRUPT');
    expect(given.message).toMatch(named);
    return true;
  }

  read(file: string): Buffer {
    return readFileSync(join(this.sound, file));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
