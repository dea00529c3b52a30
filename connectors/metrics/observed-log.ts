/** A log that tells of every commit made through it: whose it was, what became of it, how long it took, how much it held. It changes nothing. */
import type { Append, CommitOutcome, Log, LogWriter } from '#engine';

export interface CommitTold {
  /** NAME/GENERATION; empty for an owner that is none of a run. */
  readonly run: string;
  /** Role of the owner: orchestrator, node, ask, step, checkpointer, gateway, member, deploy, ingest; other. */
  readonly role: string;
  readonly outcome: CommitOutcome['status'];
  readonly seconds: number;
  readonly entries: number;
  /** Keys and values. */
  readonly bytes: number;
}

const OWNER_PATTERN = /^([^/]+\/\d+)\/(orchestrator|node|step|checkpointer|gateway|member|deploy|ingest)(?:\/\d+(\/ask))?(?:\/|$)/;

export function observeLog(log: Log, onCommit: (told: CommitTold) => void): Log {
  return {
    address: log.address,
    network: log.network,
    limits: log.limits,
    createTopic: (spec) => log.createTopic(spec),
    ...(log.retain === undefined ? {} : { retain: log.retain.bind(log) }),
    topics: (prefix) => log.topics(prefix),
    openWriter: async (owner) => observeWriter(await log.openWriter(owner), onCommit),
    ...(log.begin === undefined ? {} : { begin: log.begin.bind(log) }),
    ...(log.sink === undefined ? {} : { sink: log.sink.bind(log) }),
    read: (topic, partition, from, options) => log.read(topic, partition, from, options),
    end: (topic, partition) => log.end(topic, partition),
    waitBeyond: (topic, partition, position, signal) => log.waitBeyond(topic, partition, position, signal),
    size: () => log.size(),
    close: () => log.close(),
  };
}

function observeWriter(writer: LogWriter, onCommit: (told: CommitTold) => void): LogWriter {
  const match = OWNER_PATTERN.exec(writer.owner);
  const run = match?.[1] ?? '';
  const role = match?.[3] === undefined ? (match?.[2] ?? 'other') : 'ask';
  return {
    owner: writer.owner,
    async commit(appends) {
      const began = performance.now();
      const outcome = await writer.commit(appends);
      const seconds = (performance.now() - began) / 1000;
      onCommit({ run, role, outcome: outcome.status, seconds, entries: appends.length, bytes: bytesOf(appends) });
      return outcome;
    },
    waitVisible: () => writer.waitVisible(),
    close: () => writer.close(),
  };
}

function bytesOf(appends: readonly Append[]): number {
  return appends.reduce((sum, { key, value }) => sum + value.length + (key?.length ?? 0), 0);
}
