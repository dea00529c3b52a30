/** Templates as operators use them: planned with problems at a parameter, then opened to write a text for each row. */
import type { BlockView, EffectSink, PlanContext } from '#kernel';
import { z } from 'zod';
import { checkTemplate, placeIn } from './check.ts';
import type { Rendering } from './render.ts';
import { compileNodes, TemplateStop } from './render.ts';
import type { Node } from './syntax.ts';
import { parseTemplate } from './syntax.ts';
import { TemplateFault } from './tokens.ts';

/** Longest template, UTF-16 units. */
export const TEMPLATE_LIMIT = 100_000;
/** Steps of a template for one unit of gas. */
const STEPS_PER_GAS = 16;

/** Says that tags, comments and filters have a meaning in a program's templates. Absent: only `{{path}}` has, as it was before there were others. */
export type Syntax = 'jinja' | undefined;
export const SYNTAX = z.literal('jinja').optional();

export interface PlannedTemplate {
  /** Top-level fields. */
  readonly reads: readonly string[];
  readonly syntax: Syntax;
}

/** The fields that a template reads, all of them with a text form; undefined after a reported problem at the parameter that holds it. */
export function planTemplate(
  source: string,
  parameter: string,
  context: PlanContext,
  { hidden = false }: { readonly hidden?: boolean } = {},
): PlannedTemplate | undefined {
  const nodes = parsed(source, parameter, context);
  if (nodes === undefined) return undefined;
  const reads = checkTemplate(nodes, { context, parameter, source, hidden });
  return reads === undefined ? undefined : { reads, syntax: isPlain(source, nodes) ? undefined : 'jinja' };
}

function parsed(source: string, parameter: string, context: PlanContext): readonly Node[] | undefined {
  try {
    return parseTemplate(source);
  } catch (error) {
    if (!(error instanceof TemplateFault)) throw error;
    const { message, offset, expected, hint } = error;
    const more = { ...(expected === undefined ? {} : { expected }), ...(hint === undefined ? {} : { hint }) };
    context.problem(parameter, `${message} (${placeIn(source, offset)} of the template)`, more);
    return undefined;
  }
}

/** Whether the template means the same without tags, comments, filters and white space control. */
function isPlain(source: string, nodes: readonly Node[]): boolean {
  if (/\{[%#]|\{\{-|-\}\}/.test(source)) return false;
  return nodes.every((node) => node.kind === 'text' || (node.kind === 'output' && node.value.kind === 'path'));
}

/** Writes a planned template for a row; undefined after it failed the row. */
export function openTemplate(source: string, syntax: Syntax): (input: BlockView, row: number, out: EffectSink) => string | undefined {
  const limited = syntax === 'jinja';
  const write = compileNodes(parseTemplate(source, limited));
  return (view, row, out) => {
    const rendering: Rendering = { view, row, limited, out: '', steps: 0 };
    try {
      write(rendering, undefined);
    } catch (error) {
      if (!(error instanceof TemplateStop)) throw error;
      out.fail(row, error.code, error.message);
      return undefined;
    }
    if (limited) out.charge(Math.ceil(rendering.steps / STEPS_PER_GAS));
    return rendering.out;
  };
}

/** A text as a template that writes exactly it. */
export function plainTemplate(text: string): string {
  return text.replaceAll(/(\\*)(\{[{%#])/g, (_all, backslashes: string, braces: string) => `${backslashes}${backslashes}\\${braces}`);
}
