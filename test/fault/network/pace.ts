/**
 * Holds a run to the pace of its plan, however fast the machine is, so that no fault comes after the end: while the run is ahead, its nodes stand still for moments
 * which are too short for anybody to miss them. A slow machine is never held.
 */
import type { ControlWatch } from './control-watch.ts';
import { NODES } from './plan.ts';
import { sleep } from './readers.ts';
import type { Stage } from './stage.ts';

/** Of its tasks, a run may have begun so many when the last fault is over. */
const SHARE = 0.7;
/** A fault that lasts longer than planned may wait for the run, which goes on so fast meanwhile. */
const TASKS_PER_MS_BEYOND = 0.01;
const HOLD_MS = 200;
const LOOK_MS = 50;

export class Pace {
  private readonly stage: Stage;
  private readonly control: ControlWatch;
  private readonly tasksPerMs: number;
  private readonly beginTasks: number;
  /** Of the turns that are over. */
  private allowed = 0;
  private turn: { readonly began: number; readonly ms: number } | undefined;
  private over = false;
  private readonly work: Promise<void>;

  /** @param tasks of the whole run; @param plannedMs of all turns together. */
  constructor(stage: Stage, control: ControlWatch, tasks: number, plannedMs: number) {
    this.stage = stage;
    this.control = control;
    this.tasksPerMs = (SHARE * tasks) / plannedMs;
    this.beginTasks = control.cut;
    this.work = this.hold();
  }

  /** A fault's turn, the time before it included, takes so long by the plan. */
  begin(ms: number): void {
    this.allowed += this.allowedInTurn();
    this.turn = { began: performance.now(), ms };
  }

  /** Lets the run go on as it can. */
  async end(): Promise<void> {
    this.over = true;
    await this.work;
  }

  private allowedInTurn(): number {
    if (this.turn === undefined) return 0;
    const { began, ms } = this.turn;
    const passed = performance.now() - began;
    return Math.min(passed, ms) * this.tasksPerMs + Math.max(0, passed - ms) * TASKS_PER_MS_BEYOND;
  }

  private async hold(): Promise<void> {
    const nodes = NODES.flatMap((name) => this.stage.actors.get(name) ?? []);
    while (!this.over) {
      await this.control.look();
      if (this.control.cut - this.beginTasks > this.allowed + this.allowedInTurn()) {
        for (const node of nodes) node.freeze(this);
        await sleep(HOLD_MS);
        for (const node of nodes) node.thaw(this);
      }
      await sleep(LOOK_MS);
    }
  }
}
