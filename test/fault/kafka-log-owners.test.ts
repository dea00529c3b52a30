/** Owners of a Kafka log that die, hang or come back (P2): taking over ends what they left, at once, and they commit nothing more. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { afterEach, expect, it } from 'vitest';
import { openKafkaLog } from '#connectors/kafka';
import { type CommitOutcome, type Log, offset } from '#engine';
import { insideTransaction } from '../support/kafka-log-inside.ts';
import { describeKafka } from '../support/kafka-broker.ts';
import type { ChildOrders } from '../support/kafka-log-child.ts';
import { appendsOf, expectTruth, keepWriting, makeTopics, readPlaces, type Told } from '../support/kafka-log-history.ts';
import { committedOffsets, note, outcomeCode, readTexts } from '../support/log-tools.ts';

/** A dead owner's transaction would hold readers up for 15 to 25 s; taking over must free them in a fraction of that. */
const FREED_MS = 2_000;

describeKafka('owners of a Kafka log', (broker) => {
  const closing: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  async function open(more: { readonly heldUpDeadlineMs?: number } = {}): Promise<Log> {
    const log = await openKafkaLog({ ...more, address: `kafka://${broker().brokers}/owners-${randomUUID()}` });
    closing.push(() => log.close());
    await makeTopics(log);
    return log;
  }

  function start(orders: ChildOrders): Child {
    const child = startChild(orders);
    closing.push(() => {
      child.process.kill('SIGKILL');
    });
    return child;
  }

  it('a process killed inside a transaction holds readers up only until its owner is opened again', async () => {
    const log = await open();
    const child = start({ act: 'hang', address: log.address, owner: 'dead' });
    await child.told((line) => 'inside' in line);
    child.process.kill('SIGKILL');
    await child.ended;
    const beside = await log.openWriter('alive');
    committedOffsets(await beside.commit([note('alpha', 0, 'alive 0|')]));
    const visible = beside.waitVisible();
    expect(await log.end('alpha', 0)).toBe(0);
    const began = performance.now();
    await log.openWriter('dead');
    expect(await readTexts(log, 'alpha', 0)).toEqual(['alive 0|']);
    await visible;
    expect(performance.now() - began).toBeLessThan(FREED_MS);
  });

  it("another owner's dead transaction elsewhere does not hold a take-over up", async () => {
    const log = await open();
    await log.createTopic({ name: 'control', partitions: 1, cleanup: 'keep' });
    const first = await log.openWriter('control');
    committedOffsets(await first.commit([note('control', 0, 'mine')]));
    const child = start({ act: 'hang', address: log.address, owner: 'dead' });
    await child.told((line) => 'inside' in line);
    child.process.kill('SIGKILL');
    await child.ended;
    const began = performance.now();
    await log.openWriter('control');
    expect(await readTexts(log, 'control', 0)).toEqual(['mine']);
    expect(performance.now() - began).toBeLessThan(FREED_MS);
    await log.openWriter('dead');
  });

  it('a take-over waits until what its owner committed can be read, though another transaction hides it', async () => {
    const log = await open();
    const child = start({ act: 'hang', address: log.address, owner: 'other' });
    await child.told((line) => 'inside' in line);
    const writer = await log.openWriter('mine');
    committedOffsets(await writer.commit([note('alpha', 0, 'mine 0|')]));
    let readable: readonly string[] | undefined;
    const takeOver = log.openWriter('mine').then(async () => {
      readable = await readTexts(log, 'alpha', 0);
    });
    expect(await log.end('alpha', 0)).toBe(0);
    expect(readable).toBeUndefined();
    child.process.kill('SIGKILL');
    await child.ended;
    await log.openWriter('other');
    await takeOver;
    expect(readable).toEqual(['mine 0|']);
  });

  it('says what hides a commit that stays hidden, and ends the wait: of its writer, and of who takes over', async () => {
    const log = await open({ heldUpDeadlineMs: 300 });
    const child = start({ act: 'hang', address: log.address, owner: 'other' });
    await child.told((line) => 'inside' in line);
    const writer = await log.openWriter('mine');
    committedOffsets(await writer.commit([note('alpha', 0, 'mine 0|')]));
    const hidden = {
      code: 'LOG_UNAVAILABLE',
      message: expect.stringMatching(/alpha\/0: what was committed up to offset \d+ can't be read after 300 ms/),
    };
    await expect(writer.waitVisible()).rejects.toMatchObject(hidden);
    await expect(log.openWriter('mine')).rejects.toMatchObject(hidden);
    child.process.kill('SIGKILL');
    await child.ended;
    await log.openWriter('other');
    await log.openWriter('mine');
    expect(await readTexts(log, 'alpha', 0)).toEqual(['mine 0|']);
  });

  it('a writer fenced in the middle of its transaction commits nothing, and is told so', async () => {
    const log = await open();
    const { producer, batches } = await insideTransaction(log.address, 'owner', 15_000, closing);
    const next = await log.openWriter('owner');
    expect(await producer.commit()).toMatchObject({ end: 'refused', error: { code: 'LOG_FENCED' } });
    await expect(producer.produce(batches)).rejects.toMatchObject({ code: 'LOG_FENCED' });
    await expect(producer.raiseEpoch(5_000)).rejects.toMatchObject({ code: 'LOG_FENCED' });
    committedOffsets(await next.commit([note('alpha', 0, 'next 0|')]));
    await next.waitVisible();
    expect(await readTexts(log, 'alpha', 0)).toEqual(['next 0|']);
  });

  it('a stopped process that wakes up after its owner was taken over commits nothing more', async () => {
    const log = await open();
    const child = start({ act: 'write', address: log.address, owner: 'zombie' });
    await child.told((line) => line['n'] === 5);
    child.process.kill('SIGSTOP');
    const successor = await log.openWriter('zombie');
    const atTakeOver = await readPlaces(log);
    child.process.kill('SIGCONT');
    await child.ended;
    const last = child.lines.at(-1);
    expect(['aborted', 'unknown']).toContain(last?.['status']);
    if (last?.['status'] === 'aborted') expect(last).toMatchObject({ writerDead: true });
    expect(await readPlaces(log)).toEqual(atTakeOver);
    expectTruth(toldBy(child, 'zombie'), atTakeOver);
    committedOffsets(await successor.commit(appendsOf('successor 0', 0)));
  });

  it('killed writers lose nothing they told, and tear nothing', async () => {
    const log = await open();
    const told: Told[] = [];
    for (let round = 0; round < 3; round++) {
      const owner = `victim-${round}`;
      const child = start({ act: 'write', address: log.address, owner });
      await child.told((line) => line['trying'] === 3 + round * 4);
      child.process.kill('SIGKILL');
      await child.ended;
      await log.openWriter(owner);
      told.push(...toldBy(child, owner));
    }
    told.push(...(await keepWriting(log, 'after', 0, (n) => n < 3)));
    expectTruth(told, await readPlaces(log));
  });

  it('a commit that was aborted leaves a living writer, whose next one is whole', async () => {
    const log = await open();
    const writer = await log.openWriter('w');
    const refused = await writer.commit([note('alpha', 0, 'lost 0|'), note('nowhere', 0, 'lost')]);
    expect(refused).toMatchObject({ status: 'aborted', writerDead: false });
    expect(outcomeCode(refused)).toBe('NOT_FOUND');
    committedOffsets(await writer.commit(appendsOf('kept 0', 0)));
    await writer.waitVisible();
    expect(await log.end('beta', 0)).toBeGreaterThan(offset(0));
  });
});

interface Child {
  readonly process: ChildProcess;
  readonly lines: readonly Record<string, unknown>[];
  readonly ended: Promise<void>;
  told(wanted: (line: Record<string, unknown>) => boolean): Promise<void>;
}

function startChild(orders: ChildOrders): Child {
  const file = new URL('../support/kafka-log-child.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [file, JSON.stringify(orders)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: Record<string, unknown>[] = [];
  const checks = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(JSON.parse(line) as Record<string, unknown>);
    for (const check of [...checks]) check();
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  return {
    process: child,
    lines,
    ended,
    told: (wanted) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (!lines.some(wanted)) return;
          checks.delete(check);
          resolve();
        };
        checks.add(check);
        child.on('close', () => reject(new Error(`The process ended after telling ${JSON.stringify(lines.slice(-3))}`)));
        check();
      }),
  };
}

/** Outcomes of a child; of the commit during which it was killed nobody was told anything. */
function toldBy(child: Child, owner: string): readonly Told[] {
  const told = child.lines
    .filter((line) => 'n' in line)
    .map((line) => ({ id: `${owner} ${line['n']}`, outcome: line as unknown as CommitOutcome }));
  const tried = child.lines.filter((line) => 'trying' in line).length;
  if (tried > told.length) told.push({ id: `${owner} ${told.length}`, outcome: { status: 'unknown', error: new Error('killed') } });
  return told;
}
