/** Reads what the prelude says of a record: strictly, since the script may have spoiled the prelude. */
import type { Row, Schema, Value } from '#kernel';
import { fieldOf } from '#kernel';
import { OUTCOME } from './prelude.ts';
import type { ScriptCode, ScriptRun } from './script-sandbox.ts';
import { LIMIT_TEXTS, placeIn, shiftOf } from './script-sandbox.ts';
import { fromScript, sameValue, Unfit } from './script-values.ts';

export type Outcome =
  | { readonly kind: 'kept'; readonly fields: Row }
  | { readonly kind: 'dropped'; readonly measured: string | number | undefined; readonly limit: string | number | undefined }
  | { readonly kind: 'failed'; readonly code: ScriptCode; readonly message: string };

interface Asked {
  readonly code: string;
  readonly reads: Schema;
  readonly writes: Schema;
  /** What the script got. */
  readonly fields: Row;
}

const CURE = 'give nothing to keep the record, drop(measured, limit) to drop it, or an object of fields';

export function readOutcome(run: ScriptRun, asked: Asked): Outcome {
  if ('code' in run) return failed(run.code, LIMIT_TEXTS[run.code] ?? run.code);
  try {
    const rest = run.words.slice(1);
    switch (run.words.charAt(0)) {
      case OUTCOME.keep:
        return { kind: 'kept', fields: {} };
      case OUTCOME.drop:
        return dropped(JSON.parse(rest));
      case OUTCOME.fields:
        return { kind: 'kept', fields: fieldsFrom(JSON.parse(rest), asked) };
      case OUTCOME.thrown:
        return thrown(JSON.parse(rest), asked.code);
      case OUTCOME.refused:
        return failed('SCRIPT_RESULT', `${String(JSON.parse(rest))}; ${CURE}`);
      case OUTCOME.large:
        return failed('SCRIPT_OUTPUT', LIMIT_TEXTS.SCRIPT_OUTPUT ?? '');
      default:
        return spoiled();
    }
  } catch (error) {
    if (error instanceof Unfit) return failed('SCRIPT_RESULT', error.message);
    if (error instanceof SyntaxError) return spoiled();
    throw error;
  }
}

function failed(code: ScriptCode, message: string): Outcome {
  return { kind: 'failed', code, message };
}

/** Only a script that changed what the prelude works with comes here. */
function spoiled(): Outcome {
  return failed('SCRIPT_RESULT', `what the script gives can't be read: does it change built-in objects? ${CURE}`);
}

function dropped(parts: unknown): Outcome {
  const [measured, limit] = Array.isArray(parts) ? parts : [];
  return { kind: 'dropped', measured: reason(measured), limit: reason(limit) };
}

function reason(value: unknown): string | number | undefined {
  if (typeof value === 'string') return value.toWellFormed();
  return typeof value === 'number' ? value : undefined;
}

/** Fields to set. Others that the script got may be there, unchanged. */
function fieldsFrom(value: unknown, { reads, writes, fields }: Asked): Row {
  if (typeof value !== 'object' || value === null) throw new Unfit('the result is no object');
  const made: Record<string, Value> = Object.create(null);
  for (const [name, given] of Object.entries(value)) {
    const field = fieldOf(writes, name);
    if (field !== undefined) {
      made[name] = fromScript(given, field.type, `field '${name}'`);
      continue;
    }
    const read = fieldOf(reads, name);
    if (read === undefined) throw new Unfit(`field '${name}' is not among the \`writes\` of the step`);
    if (!sameValue(fromScript(given, read.type, `field '${name}'`), fields[name] ?? null)) {
      throw new Unfit(`field '${name}' is changed, and is not among the \`writes\` of the step`);
    }
  }
  return made;
}

/** Errors that QuickJS itself throws at its own limits. */
const ENGINE_ERRORS: Readonly<Record<string, ScriptCode>> = {
  'InternalError: stack overflow': 'SCRIPT_DEPTH',
  'InternalError: out of memory': 'SCRIPT_MEMORY',
  'InternalError: string too long': 'SCRIPT_MEMORY',
};

function thrown(parts: unknown, code: string): Outcome {
  const [message, stack] = Array.isArray(parts) ? parts.map((part) => String(part).toWellFormed()) : [];
  if (message === undefined) return spoiled();
  const limit = ENGINE_ERRORS[message];
  if (limit !== undefined) return failed(limit, LIMIT_TEXTS[limit] ?? message);
  const place = placeIn(stack ?? '', shiftOf(code));
  return failed('SCRIPT_ERROR', place === undefined ? message : `${message} (line ${place.line}, column ${place.column} of the script)`);
}
