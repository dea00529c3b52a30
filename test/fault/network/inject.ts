/** Makes one fault happen, and undoes it: every process that was there before is there afterwards, under its old name. */
import type { Actor } from './actor.ts';
import type { ActorName, Fault } from './plan.ts';
import { sleep } from './readers.ts';
import type { Stage } from './stage.ts';

/** Longest file of a process whose disk is full, in blocks of 512 bytes: enough to start, too little for a database. */
const FULL_DISK_BLOCKS = 4;
/** A process that is killed twice has so long between. */
const BETWEEN_KILLS_MS = 700;
const BETWEEN_CUTS_MS = 150;

export async function inject(stage: Stage, fault: Fault): Promise<void> {
  switch (fault.type) {
    case 'kill':
      await Promise.all(fault.who.map((name) => killed(actorOf(stage, name), fault.downMs, fault.twice)));
      return;
    case 'freeze':
      await frozen(actorOf(stage, fault.who), fault.ms);
      return;
    case 'double':
      await beside(stage.double(fault.who), fault.ms);
      return;
    case 'rivals':
      // Whichever of the two is at work stands still; the other, and two more, want to take over.
      await Promise.all([
        frozen(actorOf(stage, 'o1'), fault.ms),
        beside(stage.double('o1'), fault.ms),
        beside(stage.double('o2'), fault.ms),
      ]);
      return;
    case 'disk':
      await withFullDisk(actorOf(stage, fault.who), fault.ms);
      return;
    default:
      await injectNetwork(stage, fault);
  }
}

async function injectNetwork({ cluster }: Stage, fault: Fault): Promise<void> {
  if (cluster === undefined) return;
  const { broker, proxy } = cluster;
  if (fault.type === 'broker') {
    await (fault.how === 'kill' ? broker.kill() : broker.stop());
    await sleep(fault.downMs);
    await broker.restart();
  }
  if (fault.type === 'cut') {
    for (let n = 0; n < fault.times; n++) {
      proxy.cutAfter(fault.bytes);
      await sleep(BETWEEN_CUTS_MS);
    }
    proxy.cut();
  }
  if (fault.type === 'slow') {
    proxy.delayMs = fault.delayMs;
    await sleep(fault.ms);
    proxy.delayMs = 0;
  }
  if (fault.type === 'silence') {
    proxy.pause();
    await sleep(fault.ms);
    proxy.resume();
  }
}

async function killed(actor: Actor, downMs: number, twice: boolean): Promise<void> {
  for (let n = 0; n < (twice ? 2 : 1); n++) {
    if (n > 0) await sleep(BETWEEN_KILLS_MS);
    await actor.kill();
    await sleep(n === 0 && twice ? 0 : downMs);
    actor.start();
  }
}

async function frozen(actor: Actor, ms: number): Promise<void> {
  actor.freeze();
  await sleep(ms);
  actor.thaw();
}

/** Runs for a while, and is killed. */
async function beside(actor: Actor, ms: number): Promise<void> {
  actor.start();
  await sleep(ms);
  await actor.kill();
}

async function withFullDisk(actor: Actor, ms: number): Promise<void> {
  await actor.kill();
  actor.start(FULL_DISK_BLOCKS);
  await sleep(ms);
  // It may have given up by itself: with a full disk that is no fault of its own.
  await actor.kill();
  actor.forgive();
  actor.start();
}

function actorOf(stage: Stage, name: ActorName): Actor {
  const actor = stage.actors.get(name);
  if (actor === undefined) throw new RangeError(`the plan names ${name}, and there is no such process`);
  return actor;
}
