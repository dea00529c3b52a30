/** The log of a process: one JSON object a line on standard error (pino). Nothing secret comes here: errors are told by code and text, never with what they hold. */
import type { Logger } from 'pino';
import { messageOf, MizuError } from '#engine';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/** @param level one of LOG_LEVELS. @param bindings stand in every line. */
export async function openLogger(level: string, bindings: Readonly<Record<string, unknown>> = {}): Promise<Logger> {
  const { pino } = await import('pino');
  if (!LOG_LEVELS.some((known) => known === level)) {
    throw new MizuError('USAGE', `'${level}' is no level of the log; expected one of ${LOG_LEVELS.join(', ')}`, {
      component: '--log-level',
    });
  }
  // Written at once: what a process says as it ends is what one looks for.
  return pino({ name: 'mizu', level, base: { pid: process.pid, ...bindings } }, pino.destination({ fd: 2, sync: true }));
}

/** Addresses may hold a user and a password. */
const USER_INFO = /(:\/\/)[^/@\s]+@/g;

/** Without what an address may hold of an account. */
export function loggedText(text: string): string {
  return text.replaceAll(USER_INFO, '$1***@');
}

/** An error as a line shows it. */
export function loggedError(error: unknown): Readonly<Record<string, string>> {
  const message = loggedText(messageOf(error));
  if (!(error instanceof MizuError))
    return { code: 'INTERNAL', message, ...(error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {}) };
  return {
    code: error.code,
    message,
    ...(error.component === undefined ? {} : { component: error.component }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.code === 'INTERNAL' && error.stack !== undefined ? { stack: error.stack } : {}),
  };
}
