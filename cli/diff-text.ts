/** What differs between what runs and what is to be deployed, line by line. */
import type { Json, ProgramDiff, StepChange, ValueChange } from '#engine';
import { oneLine, shortened } from './format.ts';

/** Longest value that is shown whole. */
const VALUE_LIMIT = 60;
const SIGNS: Readonly<Record<StepChange['kind'], string>> = { added: '+', removed: '-', moved: '↕', changed: '~' };

/** Lines without indent; none for equal programs. */
export function programLines({ steps, settings, data, published }: ProgramDiff): string[] {
  const lines = [
    ...steps.flatMap(stepLines),
    ...settings.map((change) => `~ ${changeText(change)}`),
    ...data.map((change) => `~ ${changeText(change)}`),
  ];
  if (published.length === 0) return lines;
  return [
    ...lines,
    'Consumers of the published records will notice:',
    ...published.map((change) => `  ${signOf(change)} ${changeText(change)}`),
  ];
}

export function settingLines(settings: readonly ValueChange[]): string[] {
  return settings.map((change) => `${signOf(change)} ${changeText(change)}`);
}

function stepLines({ step, op, kind, values, behind }: StepChange): string[] {
  const name = step === op ? `step ${step}` : `step ${step} (${op})`;
  const place = behind === undefined ? 'first' : `behind ${behind}`;
  const what = { added: `added, ${place}`, removed: 'removed', moved: `moved, now ${place}`, changed: 'changed' }[kind];
  return [`${SIGNS[kind]} ${name}: ${what}`, ...values.map((change) => `    ${changeText(change)}`)];
}

function signOf({ before, after }: ValueChange): string {
  return before === undefined ? '+' : after === undefined ? '-' : '~';
}

function changeText({ path, before, after }: ValueChange): string {
  const shown = path.replace(/^params\./, '').replace(/^published\./, '');
  if (before === undefined) return `${shown}: ${valueText(after)} (new)`;
  if (after === undefined) return `${shown}: was ${valueText(before)}`;
  return `${shown}: ${valueText(before)} → ${valueText(after)}`;
}

function valueText(value: Json | undefined): string {
  if (value === undefined) return '–';
  const text = typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 12)}…` : JSON.stringify(value);
  return oneLine(shortened(text, VALUE_LIMIT));
}
