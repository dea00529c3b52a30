/** Reads a workflow, from text or as the builder made it, with every problem at once and the place of each (law 10). */
import type { Problem } from '../contract/errors.ts';
import { MizuError } from '../contract/errors.ts';
import type { Json } from '../contract/program.ts';
import { applySets } from './apply-sets.ts';
import { formatProblem } from './format-problems.ts';
import type { Locate } from './place.ts';
import { sortProblems } from './place.ts';
import { plainDocument } from './plain-document.ts';
import { readDocument } from './read-document.ts';
import type { WorkflowDocument, WorkflowSpec } from './workflow-schema.ts';
import { parseYaml } from './yaml-document.ts';

export interface ParsedWorkflow {
  /** Undefined when nothing could be read; with problems it is only good for finding more of them. */
  readonly spec: WorkflowSpec | undefined;
  readonly problems: readonly Problem[];
  readonly locate: Locate;
}

/** @param file name shown in problems. @param sets `path=value` overrides, applied before anything is checked. */
export function parseWorkflow(text: string, file: string, sets: readonly string[] = []): ParsedWorkflow {
  const yaml = parseYaml(text, file);
  if (yaml.value === undefined) return { spec: undefined, problems: sortProblems(yaml.problems), locate: yaml.locate };
  return check(yaml.value, yaml.problems, yaml.locate, sets);
}

/** As `parseWorkflow` for a workflow that is no text: problems have paths but no lines. */
export function checkDocument(document: WorkflowDocument, name: string, sets: readonly string[] = []): ParsedWorkflow {
  const plain = plainDocument(document, name);
  return check(plain.value, plain.problems, () => ({ file: name }), sets);
}

function check(value: Json, found: readonly Problem[], locate: Locate, sets: readonly string[]): ParsedWorkflow {
  const set = applySets(value, sets, locate);
  const reading = readDocument(set.value, set.locate);
  // A value that could not be read stands as null: what that breaks is no problem of its own.
  const unread = new Set([...found, ...set.problems].map((problem) => problem.path));
  const own = reading.problems.filter((problem) => !unread.has(problem.path));
  return { spec: reading.spec, problems: sortProblems([...found, ...set.problems, ...own]), locate: set.locate };
}

/** The one error of an invalid workflow. Its message holds the first problem, `problems` all of them. */
export function workflowError(problems: readonly Problem[], name: string): MizuError {
  const sorted = sortProblems(problems);
  const first = sorted[0];
  const more = sorted.length > 1 ? ` (and ${sorted.length - 1} more)` : '';
  const summary = first === undefined ? '' : `: ${formatProblem({ path: '', message: first.message })}${more}`;
  return new MizuError('WORKFLOW_INVALID', `${name} is not a valid workflow${summary}`, { component: name, problems: sorted });
}
