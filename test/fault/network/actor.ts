/** One process of the network, `mizu up`, which the runner kills, stops and starts again under the same name. */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));
/** A process that was told to end has so long to give everything back. */
const END_MS = 20_000;
const TAIL_LINES = 15;

/** Whoever ends the runner ends them with it; stopped ones would stay for ever. */
const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

export interface ActorOptions {
  readonly name: string;
  readonly roles: string;
  readonly log: string;
  /** Signs; default: the run's own key. */
  readonly keyFile?: string | undefined;
  /** Where its standard error goes. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

export class Actor {
  readonly options: ActorOptions;
  /** What ended by itself, which nobody may. */
  deaths: string[] = [];
  private child: ChildProcess | undefined;
  private ended: Promise<void> = Promise.resolve();
  private readonly holders = new Set<object>();
  /** Characters told by its earlier lives. */
  private toldBefore = 0;

  constructor(options: ActorOptions) {
    this.options = options;
  }

  get name(): string {
    return this.options.name;
  }

  get isUp(): boolean {
    return this.child !== undefined;
  }

  /** @param fileBlocks longest file that it may write, in blocks of the shell's `ulimit -f`. */
  start(fileBlocks?: number): void {
    if (this.child !== undefined) return;
    const { name, roles, log, keyFile, folder, env } = this.options;
    const args = [
      MAIN,
      'up',
      '--roles',
      roles,
      '--id',
      name,
      '--log',
      log,
      '--workers',
      '1',
      ...(keyFile === undefined ? [] : ['--key', keyFile]),
    ];
    const [command, words] =
      fileBlocks === undefined
        ? [process.execPath, args]
        : ['sh', ['-c', `ulimit -f ${fileBlocks}; exec "$0" "$@"`, process.execPath, ...args]];
    const { MIZU_LOG: _log, ...inherited } = process.env;
    this.toldBefore = this.told().length;
    const told = openSync(this.file, 'a');
    const child = spawn(command, words, {
      // The bound of its files is not one of what it tells.
      stdio: ['ignore', 'ignore', fileBlocks === undefined ? told : 'pipe'],
      env: { ...inherited, ...env },
    });
    closeSync(told);
    child.stderr?.on('data', (data: Buffer) => appendFileSync(this.file, data));
    this.child = child;
    living.add(child);
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        living.delete(child);
        // Whoever ended it has let go of it before.
        if (this.child === child) {
          this.deaths.push(`${name} (${roles}) of ${folder} ended by itself: ${signal ?? `exit code ${code}`}\n${this.tail()}`);
          this.child = undefined;
        }
        resolve();
      });
    });
  }

  async kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    child?.kill('SIGKILL');
    await this.ended;
  }

  /** In order: SIGTERM. False when it did not end in time, and was killed. */
  async end(): Promise<boolean> {
    const { child } = this;
    if (child === undefined) return true;
    this.child = undefined;
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, END_MS);
    await this.ended;
    clearTimeout(limit);
    return !late;
  }

  /** What ended by itself had a reason. */
  forgive(): void {
    this.deaths = [];
  }

  /** Stands still until everybody who wanted that lets it go. */
  freeze(by: object): void {
    this.holders.add(by);
    this.child?.kill('SIGSTOP');
  }

  thaw(by: object): void {
    this.holders.delete(by);
    if (this.holders.size === 0) this.child?.kill('SIGCONT');
  }

  /** Whether it told something of that since it was started last. */
  hasTold(word: string): boolean {
    return this.told().slice(this.toldBefore).includes(word);
  }

  /** The end of what it told. */
  tail(): string {
    return this.told().trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  }

  private told(): string {
    return existsSync(this.file) ? readFileSync(this.file, 'utf8') : '';
  }

  private get file(): string {
    return join(this.options.folder, `${this.name}.log`);
  }
}
