/** Makes one fault happen, and undoes it: every process that was there before is there afterwards, under its old name. */
import { endedTransaction } from '../../support/kafka-requests.ts';
import type { Actor } from './actor.ts';
import type { ControlWatch } from './control-watch.ts';
import type { ActorName, Fault } from './plan.ts';
import { sleep, until } from './readers.ts';
import type { Stage } from './stage.ts';

/** Longest file of a process whose disk is full, in blocks of 512 bytes: enough to start, too little for a database. */
const FULL_DISK_BLOCKS = 4;
/** A process that is killed twice has so long between. */
const BETWEEN_KILLS_MS = 700;
const BETWEEN_CUTS_MS = 150;
/** What a fault waits for comes within this: a process has to be given a part of the work first. */
const MOMENT_MS = 90_000;

/** @returns what went wrong with the fault itself: it could not be played, or a process did not say what it must. */
export async function inject(stage: Stage, control: ControlWatch, fault: Fault): Promise<string[]> {
  switch (fault.type) {
    case 'kill':
      await Promise.all(fault.who.map((name) => killed(actorOf(stage, name), fault.downMs, fault.twice)));
      return [];
    case 'kill-inside':
      return killedInside(stage, control, fault);
    case 'freeze':
      await frozen(actorOf(stage, fault.who), fault.ms);
      return [];
    case 'double':
      await beside(stage.double(fault.who), fault.ms);
      return [];
    case 'rivals':
      // Whichever of the two is at work stands still; the other, and two more, want to take over.
      await Promise.all([
        frozen(actorOf(stage, 'o1'), fault.ms),
        beside(stage.double('o1'), fault.ms),
        beside(stage.double('o2'), fault.ms),
      ]);
      return [];
    case 'disk':
      return withFullDisk(stage, actorOf(stage, fault.who), fault.ms);
    default:
      await injectNetwork(stage, fault);
      return [];
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
  const holder = {};
  actor.freeze(holder);
  await sleep(ms);
  actor.thaw(holder);
}

/** Runs for a while, and is killed. */
async function beside(actor: Actor, ms: number): Promise<void> {
  actor.start();
  await sleep(ms);
  await actor.kill();
}

/** The broker has the entries of a commit of this process; the request to commit them is the moment of its death, and never arrives. */
async function killedInside(stage: Stage, control: ControlWatch, fault: Fault & { readonly type: 'kill-inside' }): Promise<string[]> {
  const proxy = stage.cluster?.proxy;
  if (proxy === undefined) return [];
  const actor = actorOf(stage, fault.who);
  let dying: Promise<void> | undefined;
  proxy.watch = (piece, reset) => {
    const owner = dying === undefined ? endedTransaction(piece) : undefined;
    const holder = owner === undefined ? undefined : control.holderOf(owner);
    if (holder?.name !== fault.who || holder.writer !== fault.writer) return;
    dying = actor.kill();
    reset();
  };
  const came = await control.until(() => dying !== undefined, MOMENT_MS);
  proxy.watch = () => undefined;
  if (!came)
    return [`${fault.who} committed nothing as a ${fault.writer} within ${MOMENT_MS / 1000} s, so it was not killed inside a commit`];
  await dying;
  await sleep(fault.downMs);
  actor.start();
  return [];
}

async function withFullDisk({ cluster }: Stage, actor: Actor, ms: number): Promise<string[]> {
  await actor.kill();
  actor.start(FULL_DISK_BLOCKS);
  if (cluster === undefined) {
    await sleep(ms);
    // It may have given up by itself: without a log there is nothing to go on with.
    await actor.kill();
    actor.forgive();
    actor.start();
    return [];
  }
  const came = await until(() => actor.hasTold('DISK_FULL'), MOMENT_MS);
  await sleep(ms);
  await actor.kill();
  actor.start();
  return came ? [] : [`${actor.name} did not say within ${MOMENT_MS / 1000} s that its disk is full\n${actor.tail()}`];
}

function actorOf(stage: Stage, name: ActorName): Actor {
  const actor = stage.actors.get(name);
  if (actor === undefined) throw new RangeError(`the plan names ${name}, and there is no such process`);
  return actor;
}
