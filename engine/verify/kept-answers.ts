/** From which task on a retention left every answer of a model. Not every task asks, so the first answer that is left says it by the window alone. */
import type { Log } from '../contract/log.ts';
import { parseEnvelope } from '../proof/dsse.ts';
import { isPlainObject } from '../proof/jcs.ts';
import { parseStrictJson } from '../proof/json-parser.ts';
import { beginOf, readAll } from '../runtime/log-cursor.ts';
import { readAt } from './report.ts';
import type { RunReader } from './run-reader.ts';

/** The first task all of whose answers are left; Infinity if none is. What an answer says is for the recorded gateway to check. @throws LOG_CORRUPT. */
export async function firstAnswered(log: Log, reader: RunReader): Promise<number> {
  const topic = reader.topics.attestations;
  const begin = await beginOf(log, topic, 0);
  if (begin === 0) return 0;
  for await (const { offset, value } of readAll(log, topic, 0, begin)) {
    const candidate = readAt(`${topic}, offset ${offset}`, () => candidateOf(value));
    const k = taskOf(reader, candidate);
    if (k !== undefined) return k + reader.facts.window;
  }
  return Number.POSITIVE_INFINITY;
}

function candidateOf(envelope: Uint8Array): number {
  const statement = parseStrictJson(parseEnvelope(envelope).payload);
  const predicate = isPlainObject(statement) ? statement['predicate'] : undefined;
  return Number(isPlainObject(predicate) ? predicate['candidate'] : Number.NaN);
}

/** The task that has the candidate: cuts follow each other. */
function taskOf(reader: RunReader, candidate: number): number | undefined {
  let low = 0;
  let high = reader.last + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const { first, count } = reader.task(middle).cut;
    if (candidate < first) high = middle;
    else if (candidate >= first + count) low = middle + 1;
    else return middle;
  }
  return undefined;
}
