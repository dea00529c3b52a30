/** A real log that ends its whole process by SIGKILL right before or right after the n-th write through it: a commit, a new topic, or the fencing of an owner. */
import type { Log, LogWriter } from '#engine';

export interface KillMoment {
  /** Number of the write, from 1. */
  readonly at: number;
  readonly when: 'before' | 'after';
}

/** Counts what a process does, and kills it at the moment. */
export class Moments {
  private readonly moment: KillMoment | undefined;
  count = 0;

  constructor(moment: KillMoment | undefined) {
    this.moment = moment;
  }

  async around<T>(act: () => T | Promise<T>): Promise<T> {
    const mine = ++this.count === this.moment?.at;
    if (mine && this.moment?.when === 'before') process.kill(process.pid, 'SIGKILL');
    const result = await act();
    if (mine) process.kill(process.pid, 'SIGKILL');
    return result;
  }
}

export function killingLog(log: Log, moments: Moments): Log {
  return {
    address: log.address,
    network: log.network,
    limits: log.limits,
    createTopic: (spec) => moments.around(() => log.createTopic(spec)),
    topics: (prefix) => log.topics(prefix),
    openWriter: async (owner) => killingWriter(await moments.around(() => log.openWriter(owner)), moments),
    read: (topic, partition, from, options) => log.read(topic, partition, from, options),
    end: (topic, partition) => log.end(topic, partition),
    waitBeyond: (topic, partition, position, signal) => log.waitBeyond(topic, partition, position, signal),
    size: () => log.size(),
    close: () => log.close(),
  };
}

function killingWriter(writer: LogWriter, moments: Moments): LogWriter {
  return {
    owner: writer.owner,
    commit: (appends) => (appends.length === 0 ? writer.commit(appends) : moments.around(() => writer.commit(appends))),
    waitVisible: () => writer.waitVisible(),
    close: () => writer.close(),
  };
}
