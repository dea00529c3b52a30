/** What the engine tells, as a line of the log: level, text, and the run, role, task or step that it concerns. */
import type { RunEvent, ServeEvent } from '#engine';
import { shortened } from './format.ts';
import { loggedError, loggedText } from './logger.ts';

/** Longest message of a failed attempt. */
const MESSAGE_LIMIT = 500;

export interface EventLine {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function eventLine(event: ServeEvent): EventLine {
  if (event.type === 'run') return { level: 'info', message: `run ${event.state}`, fields: { run: event.run, role: 'process' } };
  if (event.type === 'trouble')
    return {
      level: 'error',
      message: 'work ended by a failure',
      fields: { run: event.run, role: 'process', error: loggedError(event.error) },
    };
  const { level, message, fields } = runLine(event.event);
  return { level, message, fields: { run: event.run, ...fields } };
}

function runLine(event: RunEvent): EventLine {
  switch (event.type) {
    case 'orchestrator':
      return line('info', `orchestrator ${event.state}`, { role: 'orchestrator' });
    case 'progress': {
      const { cut, published, totals } = event.progress;
      return line('trace', 'turn', { role: 'orchestrator', cut, published, accepted: totals.accepted });
    }
    case 'control': {
      const { type: _type, ...fields } = event;
      return line('trace', 'tick', { role: 'process', ...fields });
    }
    case 'joined':
      return line('info', 'joined', { role: 'member', node: event.node });
    case 'waiting':
      return line('info', 'waiting for a place', { role: 'member' });
    case 'lost':
      return line('warn', 'lost its place', { role: 'member', reason: event.reason });
    case 'lease':
      return line('info', event.held ? 'lease gained' : 'lease lost', placeOf(event.name));
    case 'failed':
      return line('warn', 'failed, goes on', { ...placeOf(event.name), error: loggedError(event.error) });
    case 'attempt': {
      const { k, attempt, state, code, step, message, seconds } = event;
      const fields = {
        role: 'node',
        task: `0/${k}`,
        attempt,
        ...(state === 'started' ? {} : { seconds }),
        ...(code === undefined ? {} : { code }),
        ...(step === undefined ? {} : { step }),
        ...(message === undefined ? {} : { error: shortened(loggedText(message), MESSAGE_LIMIT) }),
      };
      return line(state === 'failed' ? 'warn' : 'debug', `attempt ${state}`, fields);
    }
    case 'steps': {
      const { stage, partition, next, count } = event;
      return line('debug', 'steps committed', { role: 'step', stage, partition, task: `${stage}/${partition}/${next - 1}`, count });
    }
    case 'tree':
      return line('debug', 'tree grew', { role: 'checkpointer', tasks: event.tasks, size: event.size });
    case 'question': {
      const { outcome, step, model, code, seconds } = event;
      const fields = { role: 'gateway', step, model, seconds, ...(code === undefined ? {} : { code }) };
      return line(outcome === 'answered' ? 'debug' : 'warn', `question ${outcome}`, fields);
    }
    case 'compared': {
      const { k, attempt, node, accepted, equal } = event;
      const fields = { role: 'orchestrator', task: `0/${k}`, attempt, node, accepted };
      return equal ? line('debug', 'results agree', fields) : line('error', 'results of one task differ', fields);
    }
    case 'worker-died':
      return line('warn', 'worker thread died', { role: 'node', reason: event.reason });
  }
}

function line(level: EventLine['level'], message: string, fields: EventLine['fields']): EventLine {
  return { level, message, fields };
}

/** `step/1/0` → role step, stage 1, partition 0. */
function placeOf(name: string): Readonly<Record<string, unknown>> {
  const [role = name, stage, partition] = name.split('/');
  return stage === undefined ? { role } : { role, stage: Number(stage), partition: Number(partition) };
}
