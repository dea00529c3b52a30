/** A JSON or YAML file beside the workflow, as an operator's `plan` reads it; what is wrong is a problem at the parameter that names it. */
import type { Json, PlanContext } from '#kernel';
import { messageOf, parseStrictJson, parseYaml, tryUtf8 } from '#kernel';

/** Undefined after a reported problem. */
export function readJsonFile(path: string, at: string, context: PlanContext): Json | undefined {
  const text = readTextFile(path, at, context);
  if (text === undefined) return undefined;
  if (/\.ya?ml$/i.test(path)) return readYamlText(text, path, at, context);
  if (/\.json$/i.test(path)) {
    try {
      return parseStrictJson(text);
    } catch (error) {
      context.problem(at, `${path}: ${messageOf(error)}`);
      return undefined;
    }
  }
  context.problem(at, `It is not known how '${path}' is to be read`, { expected: 'a file that ends in .json, .yaml or .yml' });
  return undefined;
}

export function readTextFile(path: string, at: string, context: PlanContext): string | undefined {
  const bytes = context.file(path);
  if (bytes === undefined) return undefined;
  const text = tryUtf8(bytes);
  if (text === undefined) context.problem(at, `${path} is not UTF-8 text`);
  return text?.replace(/^\ufeff/, '');
}

/** The first problem names its line in the text. */
export function readYamlText(text: string, name: string, at: string, context: PlanContext): Json | undefined {
  const { value, problems } = parseYaml(text, name);
  const [first] = problems;
  if (first === undefined) return value;
  const hint = first.hint === undefined ? {} : { hint: first.hint };
  context.problem(at, `${name}${first.line === undefined ? '' : `, line ${first.line}`}: ${first.message}`, hint);
  return undefined;
}
