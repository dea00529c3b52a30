/** Child processes of a benchmark: their output goes to a file, and they end with the benchmark. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cleanup } from './cleanup.ts';

/** After SIGTERM a child is given this long before SIGKILL. */
const TERM_LIMIT_MS = 20_000;
const POLL_MS = 50;
const TAIL_CHARACTERS = 2_000;

export class Child {
  readonly pid: number;
  readonly logFile: string;
  private exited: { readonly code: number | null; readonly signal: string | null } | undefined;
  private readonly done: Promise<void>;
  private readonly startedAt = performance.now();
  private endedAt: number | undefined;

  /** `env`: added to this process' own environment. */
  constructor(command: string, args: readonly string[], logFile: string, cleanup: Cleanup, env: Readonly<Record<string, string>> = {}) {
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'w');
    const child = spawn(command, args, { stdio: ['ignore', log, log], detached: true, env: { ...process.env, ...env } });
    closeSync(log);
    this.logFile = logFile;
    this.pid = child.pid ?? 0;
    this.done = new Promise((resolve) => {
      child.once('error', (error) => {
        this.exited = { code: null, signal: String(error) };
        resolve();
      });
      child.once('exit', (code, signal) => {
        this.exited = { code, signal };
        this.endedAt = performance.now();
        resolve();
      });
    });
    cleanup.add(() => this.kill());
    cleanup.add(() => rmSync(logFile, { force: true }));
  }

  get alive(): boolean {
    return this.exited === undefined;
  }

  /** From its start to its end, or until now. */
  get seconds(): number {
    return ((this.endedAt ?? performance.now()) - this.startedAt) / 1000;
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  /** @throws with the end of its output when it ended by itself. */
  check(): void {
    if (this.exited === undefined) return;
    const { code, signal } = this.exited;
    throw new Error(`${this.logFile} ended by itself (${code ?? signal}):\n${this.log().slice(-TAIL_CHARACTERS)}`);
  }

  /** The first match of a pattern in its output. @throws when it ends or the time is over before. */
  async printed(pattern: RegExp, limitMs: number): Promise<RegExpExecArray> {
    for (const end = performance.now() + limitMs; ; ) {
      const match = pattern.exec(this.log());
      if (match !== null) return match;
      this.check();
      if (performance.now() > end)
        throw new Error(`${this.logFile}: no ${pattern} in ${limitMs} ms:\n${this.log().slice(-TAIL_CHARACTERS)}`);
      await sleep(POLL_MS);
    }
  }

  async stop(): Promise<void> {
    this.signal('SIGTERM');
    await Promise.race([this.done, sleep(TERM_LIMIT_MS, undefined, { ref: false })]);
    await this.kill();
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.done;
  }

  /** To its whole group: it may have children. */
  private signal(name: 'SIGTERM' | 'SIGKILL'): void {
    if (!this.alive || this.pid === 0) return;
    try {
      process.kill(-this.pid, name);
    } catch (error) {
      if ((error as { readonly code?: string }).code !== 'ESRCH') throw error;
    }
  }
}
