/**
 * In which state every run of a log is, from the last entries of its control log: whatever a run has behind it, as much is read as tells
 * its state, going back from the end. Totals are those of the newest mark or of the summary; results are not read.
 */
import type { Log } from '../contract/log.ts';
import { offset } from '../contract/ids.ts';
import type { ControlBody, Mark, RunMode } from '../dispatch/control-entry.ts';
import { decodeControl, readEntry } from '../dispatch/signed-entry.ts';
import { fromUtf8 } from '../proof/sha256.ts';
import { orchestratorLives } from './live-run.ts';
import { LogCursor } from './log-cursor.ts';
import { readRun } from './read-run.ts';
import type { RunSummary } from './summary.ts';
import { readSummary } from './summary.ts';
import type { RunName } from './topics.ts';
import { listRuns, RunTopics } from './topics.ts';

/** Entries that are read at first; twice as many each time. */
const FIRST_ENTRIES = 256;
/** Entries beyond which an older mark is not looked for: totals are then left out. */
const MARK_ENTRIES_LIMIT = 65_536;
/** Ticks are most of what a run writes while it rests; they are told by their text, without being parsed. */
const TICK_TEXT = '"type":"tick"';

export interface ListedRun extends RunName {
  /** As in `RunStatus`. */
  readonly state: 'deployed' | 'running' | 'unfinished' | 'finished';
  readonly mode: RunMode;
  readonly program: string;
  readonly wanted: number | null;
  /** At the newest mark, so at least; null for a run without one. */
  readonly accepted: number | null;
  readonly candidates: number | null;
}

/** Stands for an owner that was not met on the way back; its ticks tell whether it lives. */
const SOMEBODY = '?:0';

/** In order of name and generation. Takes up to 2.5 ticks in all if orchestrators may or may not be alive. @throws LOG_CORRUPT. */
export async function listStates(log: Log, signal: AbortSignal): Promise<ListedRun[]> {
  const listed: Promise<ListedRun>[] = [];
  for (const run of await listRuns(log)) {
    const { program, digest } = await readRun(log, run.name, run.generation);
    const found = await readBack(log, new RunTopics(run).control);
    const base = { ...run, program: digest, wanted: program.accept ?? null, mode: found.mode ?? 'running' };
    // Whether their orchestrators live is waited for side by side.
    listed.push(stateOf(log, run, found, signal).then((state) => ({ ...base, state, ...countsOf(found) })));
  }
  return Promise.all(listed);
}

async function stateOf(log: Log, run: RunName, { begun, owner, summary }: ControlState, signal: AbortSignal): Promise<ListedRun['state']> {
  if (summary !== undefined) return 'finished';
  if (!begun) return 'deployed';
  return (await orchestratorLives(log, new RunTopics(run).control, owner ?? SOMEBODY, signal)) ? 'running' : 'unfinished';
}

function countsOf({ mark, summary }: ControlState): Pick<ListedRun, 'accepted' | 'candidates'> {
  const { accepted, candidates } = summary ?? mark?.totals ?? { accepted: null, candidates: null };
  return { accepted, candidates };
}

interface ControlState {
  begun: boolean;
  owner: string | undefined;
  mode: RunMode | undefined;
  mark: Mark | undefined;
  summary: RunSummary | undefined;
}

/** Reads backwards in windows that double, until the newest word on each question was found. */
async function readBack(log: Log, topic: string): Promise<ControlState> {
  const end = await log.end(topic, 0);
  const found: ControlState = { begun: end > 0, owner: undefined, mode: undefined, mark: undefined, summary: undefined };
  let to: number = end;
  for (let window = FIRST_ENTRIES; to > 0 && !isKnown(found, end - to); window *= 2) {
    const from = Math.max(0, to - window);
    const bodies = await readBetween(log, topic, from, to);
    for (const body of bodies.reverse()) note(found, body);
    to = from;
  }
  return found;
}

function isKnown({ mode, mark, summary }: ControlState, read: number): boolean {
  return summary !== undefined || (mode !== undefined && (mark !== undefined || read >= MARK_ENTRIES_LIMIT));
}

/** Entries come newest first: the first word on a question is the last that was said. */
function note(found: ControlState, body: ControlBody): void {
  if (body.type === 'open') found.owner ??= body.owner;
  if (body.type === 'mode') found.mode ??= body.mode;
  // Only a running orchestrator cuts; and it said so before, if it ever rested.
  if (body.type === 'cut') found.mode ??= 'running';
  if (body.type === 'mark') found.mark ??= body;
  if (body.type === 'close') found.summary ??= readSummary(body.summary);
}

async function readBetween(log: Log, topic: string, from: number, to: number): Promise<ControlBody[]> {
  const bodies: ControlBody[] = [];
  const cursor = new LogCursor(log, topic, 0, offset(from));
  for (let entry = await cursor.take(); entry !== undefined && entry.offset < to; entry = await cursor.take()) {
    if (!fromUtf8(entry.value).includes(TICK_TEXT)) bodies.push(readEntry(decodeControl, topic, 0, entry).body);
  }
  return bodies;
}
