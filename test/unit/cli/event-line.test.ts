/** Lines of a process's log: each names run and role, and what it concerns; none holds a secret. */
import { describe, expect, it } from 'vitest';
import { MizuError, type RunEvent, type ServeEvent } from '#engine';
import { eventLine } from '../../../cli/event-line.ts';
import { openLogger } from '../../../cli/logger.ts';
import { rejection } from '../../support/log-tools.ts';

const told = (event: RunEvent): ServeEvent => ({ type: 'event', run: 'w/1', event });
const fieldsOf = (event: RunEvent) => eventLine(told(event));

describe('a line of the log', () => {
  it.each<[RunEvent, object]>([
    [
      {
        type: 'attempt',
        k: 7,
        attempt: 1,
        state: 'failed',
        code: 'UPSTREAM_UNREACHABLE',
        step: 'body',
        message: 'no answer from http://ann:s3cret@models:8080/v1',
        seconds: 2,
      },
      {
        level: 'warn',
        message: 'attempt failed',
        fields: {
          run: 'w/1',
          role: 'node',
          task: '0/7',
          attempt: 1,
          code: 'UPSTREAM_UNREACHABLE',
          step: 'body',
          error: 'no answer from http://***@models:8080/v1',
          seconds: 2,
        },
      },
    ],
    [
      { type: 'attempt', k: 7, attempt: 1, state: 'started', seconds: 0 },
      { level: 'debug', message: 'attempt started', fields: { run: 'w/1', role: 'node', task: '0/7', attempt: 1 } },
    ],
    [
      { type: 'steps', stage: 1, partition: 3, next: 16, count: 2 },
      {
        level: 'debug',
        message: 'steps committed',
        fields: { run: 'w/1', role: 'step', stage: 1, partition: 3, task: '1/3/15', count: 2 },
      },
    ],
    [
      { type: 'question', outcome: 'unanswered', code: 'UPSTREAM_UNREACHABLE', step: 'body', model: 'small', seconds: 9 },
      { level: 'warn', fields: { run: 'w/1', role: 'gateway', step: 'body', model: 'small', code: 'UPSTREAM_UNREACHABLE' } },
    ],
    [
      { type: 'lease', name: 'step/2/0', held: false },
      { level: 'info', message: 'lease lost', fields: { run: 'w/1', role: 'step', stage: 2, partition: 0 } },
    ],
    [
      { type: 'lease', name: 'checkpointer', held: true },
      { level: 'info', message: 'lease gained', fields: { run: 'w/1', role: 'checkpointer' } },
    ],
    [
      { type: 'compared', k: 7, attempt: 1, node: 2, accepted: 0, equal: false },
      {
        level: 'error',
        message: 'results of one task differ',
        fields: { run: 'w/1', role: 'orchestrator', task: '0/7', attempt: 1, node: 2, accepted: 0 },
      },
    ],
    [
      { type: 'compared', k: 7, attempt: 1, node: 2, accepted: 0, equal: true },
      { level: 'debug', message: 'results agree' },
    ],
  ])('of %j', (event, expected) => {
    expect(fieldsOf(event)).toMatchObject(expected);
  });

  it('tells an error by code, text, component and hint, without the user and password of an address', () => {
    const error = new MizuError('LOG_UNAVAILABLE', 'no answer from kafka://ann:s3cret@broker:9092', {
      component: 'step-x',
      hint: 'Try later.',
    });
    const { fields } = eventLine({ type: 'trouble', run: 'w/1', error });
    expect(fields['error']).toEqual({
      code: 'LOG_UNAVAILABLE',
      message: 'no answer from kafka://***@broker:9092',
      component: 'step-x',
      hint: 'Try later.',
    });
    expect(JSON.stringify(fields)).not.toContain('s3cret');
  });

  it('has a level that is known, or the process does not start', async () => {
    expect(await rejection(openLogger('loud'))).toMatchObject({ code: 'USAGE', message: expect.stringContaining("'loud'") });
  });
});
