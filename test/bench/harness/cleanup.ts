/** What a benchmark leaves behind (topics, processes, folders) is undone in reverse order, also after Ctrl-C. */

type Undo = () => Promise<unknown> | unknown;

export class Cleanup {
  private readonly undos: Undo[] = [];
  private running: Promise<void> | undefined;

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        process.stderr.write(`\n${signal}: cleaning up\n`);
        void this.run().finally(() => process.exit(130));
      });
    }
  }

  add(undo: Undo): void {
    this.undos.push(undo);
  }

  /** Each is tried, whatever happened to the others; the problems are told. */
  run(): Promise<void> {
    this.running ??= this.undoAll().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async undoAll(): Promise<void> {
    for (let undo = this.undos.pop(); undo !== undefined; undo = this.undos.pop()) {
      try {
        await undo();
      } catch (error) {
        process.stderr.write(`could not clean up: ${String(error)}\n`);
      }
    }
  }
}
