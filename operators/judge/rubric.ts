/**
 * A rubric: named scores, each with a text for every option that a judge may choose. Written in the workflow as a map, as Markdown, or in a file
 * (.md, .yaml, .json) that becomes a part of the program.
 */
import type { Json, PlanContext } from '#kernel';
import { z } from 'zod';
import { FIELD_NAME } from '../fields.ts';
import { readJsonFile, readTextFile } from '../generate/json-file.ts';

/** Most scores of a rubric, and options of a score. */
export const RUBRIC_SCORES_LIMIT = 16;
export const RUBRIC_OPTIONS_LIMIT = 20;
/** Longest text in a rubric, UTF-16 units. */
export const RUBRIC_TEXT_LIMIT = 4_000;
/** Scores are whole numbers within ±this. */
export const SCORE_LIMIT = 1_000;

export interface Score {
  readonly name: string;
  readonly description: string;
  /** In order of value. */
  readonly options: readonly { readonly value: number; readonly text: string }[];
}

export interface Rubric {
  readonly instructions: string;
  /** In the order in which they are written. */
  readonly scores: readonly Score[];
}

const text = z.string().max(RUBRIC_TEXT_LIMIT);
const options = z.record(z.string(), z.union([text, z.number()]));
const written = z.strictObject({
  instructions: text.optional(),
  scores: z.record(z.string(), z.union([z.strictObject({ description: text.optional(), options }), options])),
});

export const rubricParam = z
  .union([z.string().min(1).max(100_000), z.record(z.string(), z.json())])
  .describe(
    'The scores and what each option means: a file (.md, .yaml, .json) beside the workflow, Markdown (`## score`, then `- 1: text` for each option), or `{ instructions: …, scores: { name: { description: …, options: { 1: text, 2: text } } } }`.',
  );

/** A rubric that is one line names a file. */
export function rubricFile(rubric: z.infer<typeof rubricParam>): string | undefined {
  return typeof rubric === 'string' && !rubric.includes('\n') ? rubric : undefined;
}

/** Undefined after a reported problem at `rubric`. */
export function planRubric(rubric: z.infer<typeof rubricParam>, context: PlanContext): Rubric | undefined {
  const file = rubricFile(rubric);
  if (typeof rubric !== 'string') return fromMap(rubric, 'rubric', context);
  if (file === undefined) return fromMarkdown(rubric, 'rubric', context);
  if (/\.md$/i.test(file)) {
    const markdown = readTextFile(file, 'rubric', context);
    return markdown === undefined ? undefined : fromMarkdown(markdown, file, context);
  }
  const map = readJsonFile(file, 'rubric', context);
  return map === undefined ? undefined : fromMap(map, file, context);
}

function fromMap(map: Json, where: string, context: PlanContext): Rubric | undefined {
  const parsed = written.safeParse(map);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    context.problem(
      'rubric',
      `${where}: ${(issue?.path ?? []).join('.') || 'the rubric'}: ${issue === undefined || /received undefined$/.test(issue.message) ? 'is missing' : issue.message}`,
      {
        expected: '{ scores: { name: { description: …, options: { 1: text, 2: text } } } }',
      },
    );
    return undefined;
  }
  const { instructions = '', scores } = parsed.data;
  const read = Object.entries(scores).map(([name, score]) => {
    const whole = 'options' in score && typeof score.options === 'object' ? score : undefined;
    const description = whole !== undefined && 'description' in whole && typeof whole.description === 'string' ? whole.description : '';
    const given = (whole?.options ?? score) as { readonly [value: string]: string | number };
    return { name, description, options: Object.entries(given).map(([value, meaning]) => ({ value, text: String(meaning) })) };
  });
  return checked({ instructions, scores: read }, where, context);
}

const HEADING = /^##\s+(.+?)\s*#*$/;
const OPTION = /^[-*]\s+`?(-?\d+)`?\s*[:.)–—-]\s*(.*)$/;

/** Text above the first `##` is for the judge; under each `##` stand a description and the options as a list. */
function fromMarkdown(markdown: string, where: string, context: PlanContext): Rubric | undefined {
  const instructions: string[] = [];
  const scores: { name: string; description: string; options: { value: string; text: string }[] }[] = [];
  for (const line of markdown.split(/\r?\n/)) {
    const heading = HEADING.exec(line)?.[1];
    const score = scores.at(-1);
    const option = OPTION.exec(line);
    const last = score?.options.at(-1);
    if (heading !== undefined) scores.push({ name: heading, description: '', options: [] });
    else if (score === undefined) instructions.push(line.replace(/^#\s+/, ''));
    else if (option !== null) score.options.push({ value: option[1] ?? '', text: option[2] ?? '' });
    else if (last !== undefined && line.trim() !== '') last.text = `${last.text} ${line.trim()}`.trim();
    else if (last === undefined) score.description = `${score.description} ${line.trim()}`.trim();
  }
  return checked({ instructions: instructions.join('\n').trim(), scores }, where, context);
}

interface Unchecked {
  readonly instructions: string;
  readonly scores: readonly {
    readonly name: string;
    readonly description: string;
    readonly options: readonly { readonly value: string; readonly text: string }[];
  }[];
}

function checked({ instructions, scores }: Unchecked, where: string, context: PlanContext): Rubric | undefined {
  const wrong = (message: string, expected: string): undefined => {
    context.problem('rubric', `${where}: ${message}`, { expected });
    return undefined;
  };
  if (scores.length === 0 || scores.length > RUBRIC_SCORES_LIMIT)
    return wrong(`the rubric has ${scores.length} scores`, `1 to ${RUBRIC_SCORES_LIMIT}; in Markdown each begins with '## name'`);
  const names = scores.map((score) => score.name);
  for (const [n, { name, options: given, description }] of scores.entries()) {
    if (!FIELD_NAME.test(name) || name === 'score')
      return wrong(`'${name}' can't be the name of a score`, "letters, digits and _, not starting with a digit, and not 'score'");
    if (names.indexOf(name) < n) return wrong(`the score '${name}' stands twice`, 'names that differ');
    if (given.length < 2 || given.length > RUBRIC_OPTIONS_LIMIT)
      return wrong(`the score '${name}' has ${given.length} options`, `2 to ${RUBRIC_OPTIONS_LIMIT}, such as '- 1: what it means'`);
    for (const { value, text: meaning } of given) {
      if (!/^(?:0|-?[1-9]\d*)$/.test(value) || Math.abs(Number(value)) > SCORE_LIMIT)
        return wrong(`'${value}' of '${name}' is no score`, `a whole number within ±${SCORE_LIMIT}`);
      if (meaning.trim() === '') return wrong(`the option ${value} of '${name}' has no text`, 'what it means');
      if (meaning.length > RUBRIC_TEXT_LIMIT || description.length > RUBRIC_TEXT_LIMIT)
        return wrong(`a text of '${name}' is too long`, `at most ${RUBRIC_TEXT_LIMIT} characters`);
    }
    if (new Set(given.map(({ value }) => value)).size < given.length)
      return wrong(`an option of '${name}' stands twice`, 'options that differ');
  }
  return {
    instructions,
    scores: scores.map((score) => ({
      ...score,
      options: score.options.map(({ value, text: meaning }) => ({ value: Number(value), text: meaning })).sort((a, b) => a.value - b.value),
    })),
  };
}

/** The rubric as a judge reads it. */
export function rubricText({ instructions, scores }: Rubric): string {
  const parts = scores.map(({ name, description, options: given }) =>
    [`${name}${description === '' ? '' : `: ${description}`}`, ...given.map(({ value, text: meaning }) => `  ${value}: ${meaning}`)].join(
      '\n',
    ),
  );
  return [...(instructions === '' ? [] : [instructions]), ...parts].join('\n\n');
}
