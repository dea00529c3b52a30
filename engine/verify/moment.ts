/**
 * What the log of a run held when an auditor began. A run that is alive goes on meanwhile, so each topic is read up to its end at this moment. The ends are
 * taken in an order in which whatever an entry refers to is there as well: the newest head, what members wrote, then control, which admitted them.
 */
import { MizuError } from '../contract/errors.ts';
import type { Offset } from '../contract/ids.ts';
import type { Log, LogEntry } from '../contract/log.ts';
import { decodeControl } from '../dispatch/signed-entry.ts';
import { lastEntry } from '../runtime/last-entry.ts';
import type { RunTopics } from '../runtime/topics.ts';
import { NODE_LIMIT } from '../runtime/topics.ts';

export interface Moment {
  /** The newest signed head. */
  readonly head: LogEntry | undefined;
  /** By number of the member. */
  readonly results: readonly Offset[];
  readonly attestations: Offset;
  readonly control: Offset;
}

export async function takeMoment(log: Log, topics: RunTopics): Promise<Moment> {
  const moment = await look(log, topics);
  // Of a closed run everything is there, but was it before this looked?
  return (await isClosed(log, topics)) ? look(log, topics) : moment;
}

async function look(log: Log, topics: RunTopics): Promise<Moment> {
  const head = await lastEntry(log, topics.checkpoints, 0);
  const results: Offset[] = [];
  for (let node = 0; node < NODE_LIMIT; node++) results.push(await log.end(topics.results, node));
  const attestations = await log.end(topics.attestations, 0);
  return { head, results, attestations, control: await log.end(topics.control, 0) };
}

/** Whoever reads control says what is wrong with an entry that can't be read. */
async function isClosed(log: Log, topics: RunTopics): Promise<boolean> {
  const last = await lastEntry(log, topics.control, 0);
  try {
    return last !== undefined && decodeControl(last.value).body.type === 'close';
  } catch (error) {
    if (error instanceof MizuError) return false;
    throw error;
  }
}
