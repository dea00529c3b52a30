/** What the HTTP endpoint of a gateway tells, as a line of the log. Neither prompts nor answers, keys nor tokens stand in it. */
import type { EndpointEvent } from '#topologies';
import type { EventLine } from './event-line.ts';
import { loggedError } from './logger.ts';

export function endpointLine(event: EndpointEvent): EventLine {
  const role = 'endpoint';
  if (event.type === 'broken')
    return { level: 'fatal', message: 'nothing more can be recorded', fields: { role, error: loggedError(event.error) } };
  if (event.type === 'failed') return { level: 'warn', message: 'a request failed', fields: { role, error: loggedError(event.error) } };
  const { type, ...fields } = event;
  return { level: 'debug', message: MESSAGES[type], fields: { role, ...fields } };
}

const MESSAGES = { request: 'request answered', answer: 'answer recorded', call: 'call ended' } as const;
