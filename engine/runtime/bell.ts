/**
 * Wakes one role when any of the things it waits for has news. Each of them is waited for once, not anew in every turn of the role:
 * a turn that arms forty partitions again and again would cost more than the turn.
 */
export class Bell {
  private readonly armed = new Set<string>();
  private rung = false;
  private wake: () => void = () => {};

  /** Waits for the thing unless it is waited for already; rings when it resolves. A failure rings too: whoever reads on meets it. */
  arm(name: string, wait: () => Promise<unknown>): void {
    if (this.armed.has(name)) return;
    this.armed.add(name);
    const done = (): void => {
      this.armed.delete(name);
      this.ring();
    };
    wait().then(done, done);
  }

  ring(): void {
    this.rung = true;
    this.wake();
  }

  /** Resolves once it has rung since it was last heard. */
  async heard(): Promise<void> {
    if (!this.rung) await new Promise<void>((resolve) => (this.wake = resolve));
    this.rung = false;
    this.wake = () => {};
  }
}
