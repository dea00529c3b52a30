/**
 * What the operator of a run asks of its orchestrator: to pause, go on, drain or stop, and to take changed settings over. A request is
 * signed with the run's key and stands in the requests topic until an orchestrator answers it in control (P1), so it is never lost, whether or not one
 * is there now. Refusals come before anything is written (law 10).
 */
import { MizuError } from '../contract/errors.ts';
import type { Append, Log } from '../contract/log.ts';
import type { Deployment } from '../contract/program.ts';
import type { Signer } from '../contract/signer.ts';
import type { RequestBody } from '../dispatch/member-entry.ts';
import type { RunMode } from '../dispatch/control-entry.ts';
import { decodeRequest, encodeSigned } from '../dispatch/signed-entry.ts';
import type { ControlFold } from '../dispatch/control-fold.ts';
import { Committer } from './committer.ts';
import { snapshotPlace } from './control-snapshot.ts';
import { ControlTail } from './control-tail.ts';
import { readAll } from './log-cursor.ts';
import { refuseOtherKey } from './run.ts';
import type { RunName } from './topics.ts';
import { listRuns, RunTopics } from './topics.ts';

/** An orchestrator that lives answers in its next turn; a standby or a process that served nothing needs up to some seconds. Milliseconds. */
export const ANSWER_MS = 6_000;
/** Operators that ask at the same moment end each other's writers; the next try is alone, or nearly so. */
const ASK_TRIES = 5;

export interface OperatedRun {
  readonly log: Log;
  readonly run: RunName;
  /** The run's key. */
  readonly signer: Signer;
  /** Who asks, for people: user@host. */
  readonly by: string;
  /** Ends the waiting; what was asked stands. */
  readonly signal: AbortSignal;
}

export interface ModeAnswer {
  /** `done`: control shows it. `already`: it did before. `standing`: nobody has answered yet, and the request stands. */
  readonly outcome: 'done' | 'already' | 'standing';
  /** The mode that control shows now. */
  readonly mode: RunMode;
}

/** Asks for a mode and waits up to `patienceMs` until control shows it. @throws KEY_INVALID, USAGE for a mode that makes no sense now. */
export async function askMode(place: OperatedRun, mode: RunMode, patienceMs = ANSWER_MS): Promise<ModeAnswer> {
  const control = await openControl(place);
  const { fold } = control;
  refuseSenseless(titleOf(place.run), fold, mode);
  if (fold.opens > 0 && fold.mode === mode && !(await hasOpenRequest(place, fold))) return { outcome: 'already', mode };
  const asked = await submit(place, { type: 'mode', mode, by: place.by });
  const answered = answerTo(control, asked);
  const shown = await follow(control, answered, AbortSignal.any([place.signal, AbortSignal.timeout(patienceMs)]));
  return { outcome: shown ? 'done' : 'standing', mode: fold.mode };
}

/** Follows control until the run is closed. @throws INTERRUPTED. */
export async function untilClosed(place: OperatedRun, onTurn: (fold: ControlFold) => void): Promise<ControlFold> {
  const control = await openControl(place);
  const closed = (): boolean => {
    onTurn(control.fold);
    return control.fold.close !== undefined;
  };
  if (await follow(control, closed, place.signal)) return control.fold;
  throw new MizuError('INTERRUPTED', `Waiting for '${titleOf(place.run)}' was interrupted; what was asked of it stands`);
}

/** The request that tells the orchestrator of changed settings, to be committed together with them. */
export function settingsRequest(
  place: Pick<OperatedRun, 'signer'>,
  run: RunName,
  { nodes, deadlineMs, memoryBytes = 0 }: Deployment,
): Append {
  return requestAppend(run, { type: 'settings', nodes, deadlineMs, ...(memoryBytes === 0 ? {} : { memory: memoryBytes }) }, place.signer);
}

/** Whether control shows that an orchestrator works under these settings. */
export function tookSettings({ settings, memory }: ControlFold, { nodes, deadlineMs, memoryBytes = 0 }: Deployment): boolean {
  return settings?.nodes === nodes && settings.deadlineMs === deadlineMs && memory === memoryBytes;
}

/** Older generations that are open and were never asked to drain; empty for a name without any. */
export async function undrained(log: Log, newest: RunName): Promise<RunName[]> {
  const open: RunName[] = [];
  for (const run of await listRuns(log, newest.name)) {
    if (run.generation >= newest.generation) continue;
    const control = await caughtUp(log, run);
    if (control.fold.close === undefined && !(await wasAsked(log, run, 'draining'))) open.push(run);
  }
  return open;
}

/** Asks an older generation to drain. @throws KEY_INVALID. */
export async function askDrain(place: OperatedRun): Promise<void> {
  await submit(place, { type: 'mode', mode: 'draining', by: place.by });
}

/** Control as it stands. @throws KEY_INVALID for a run that was begun under another key, before anything is written. */
export async function openControl(place: Pick<OperatedRun, 'log' | 'run' | 'signer'>): Promise<ControlTail> {
  const control = await caughtUp(place.log, place.run);
  refuseOtherKey({ title: titleOf(place.run), signer: place.signer }, control);
  return control;
}

async function caughtUp(log: Log, run: RunName): Promise<ControlTail> {
  const topics = new RunTopics(run);
  const control = new ControlTail(log, topics.control, snapshotPlace(topics, titleOf(run)));
  await control.catchUp();
  return control;
}

function refuseSenseless(title: string, fold: ControlFold, mode: RunMode): void {
  if (fold.close !== undefined)
    throw new MizuError('USAGE', `'${title}' is finished; there is nothing left to ${VERBS[mode]}`, {
      component: title,
      hint: 'Its data stays: `mizu status`, `mizu verify` and `mizu export` show it.',
    });
  if (mode === 'paused' && fold.mode === 'stopped')
    throw new MizuError('USAGE', `'${title}' is stopped; nobody works on it`, { component: title, hint: '`mizu resume` lets it go on.' });
}

const VERBS: Readonly<Record<RunMode, string>> = { running: 'resume', paused: 'pause', draining: 'drain', stopped: 'stop' };

/** Whether control has answered the request at this offset, be it that another one followed at once. */
function answerTo(control: ControlTail, asked: number): () => boolean {
  let answered = false;
  control.listen((body) => {
    if (body.type === 'mode' && body.request === asked) answered = true;
  });
  return () => answered;
}

async function follow(control: ControlTail, condition: () => boolean, signal: AbortSignal): Promise<boolean> {
  while (!condition()) if (!(await control.turn(signal))) return condition();
  return true;
}

/** Commits a request. Gives its offset. */
async function submit(place: OperatedRun, body: RequestBody): Promise<number> {
  const owner = `${titleOf(place.run)}/operator`;
  for (let tries = 1; ; tries++) {
    const committer = await Committer.open(place.log, owner);
    try {
      const [at] = await committer.commit([requestAppend(place.run, body, place.signer)]);
      return at ?? 0;
    } catch (error) {
      if (!(error instanceof MizuError) || error.code !== 'LOG_FENCED' || tries >= ASK_TRIES) throw error;
    } finally {
      await committer.close();
    }
  }
}

function requestAppend(run: RunName, body: RequestBody, signer: Signer): Append {
  return { topic: new RunTopics(run).requests, partition: 0, value: encodeSigned('mizu-request-v1', titleOf(run), body, signer) };
}

/** Whether an operator's request waits for its answer: then control does not show yet what was asked last. */
async function hasOpenRequest({ log, run }: OperatedRun, fold: ControlFold): Promise<boolean> {
  for await (const { body, at } of requests(log, run)) if (body.type === 'mode' && at >= fold.nextRequest) return true;
  return false;
}

async function wasAsked(log: Log, run: RunName, mode: RunMode): Promise<boolean> {
  for await (const { body } of requests(log, run)) if (body.type === 'mode' && body.mode === mode) return true;
  return false;
}

async function* requests(log: Log, run: RunName): AsyncGenerator<{ readonly body: RequestBody; readonly at: number }> {
  for await (const entry of readAll(log, new RunTopics(run).requests, 0)) yield { body: decodeRequest(entry.value).body, at: entry.offset };
}

function titleOf({ name, generation }: RunName): string {
  return `${name}/${generation}`;
}
