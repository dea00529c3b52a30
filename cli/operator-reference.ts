/**
 * The reference of every operator and data engine as one Markdown document, made of the same objects that validate, execute and test
 * them: `mizu operators --markdown` prints it, and a test compares it with documents/operators.md.
 */
import type { DataEngine, GoldenCase, Operator, Registry, Schema } from '#kernel';
import { describeType } from '#kernel';
import { z } from 'zod';
import { showValue } from './show-value.ts';

export type ParamsSchema = z.core.JSONSchema.JSONSchema;

const KINDS: Readonly<Record<Operator['kind'], string>> = {
  row: 'each record by itself',
  external: 'asks outside',
  keyed: 'over all records',
};

const INTRODUCTION = [
  '# Operators',
  '',
  'Made by `npm run -s mizu -- operators --markdown` from the objects that validate, execute and test the operators. Do not edit: change the operator.',
  '',
  'Every step takes `id`, its name in draws, proofs and reports; a default is made from the parameters. Every rule also takes `onFail`: `drop` (the default) or',
  "`flag`, which keeps the record and adds the step's id to its field `flags`, or `{ repair: { model: … } }`, which is the step [repair](#repair) with this rule. An example shows its parameters, each record that comes in, and what becomes of it.",
];

/** What an author may write as parameters. */
export function paramsSchemaOf(params: z.ZodType): ParamsSchema {
  return z.toJSONSchema(params, { io: 'input', unrepresentable: 'any' });
}

/** What an op does with records, in words. */
export function kindText(kind: Operator['kind']): string {
  return KINDS[kind];
}

/** Ends with a line end. */
export function referenceMarkdown({ operators, engines }: Registry): string {
  const groups = [...new Set(operators.map((operator) => operator.group))];
  const lines = [...INTRODUCTION, '', '| group | operator | does |', '|---|---|---|'];
  for (const group of groups) {
    for (const { name, summary } of operators.filter((one) => one.group === group))
      lines.push(`| ${group} | [${name}](#${anchor(name)}) | ${cell(summary)} |`);
  }
  for (const { name, summary } of engines) lines.push(`| data engine | [${name}](#engine-${anchor(name)}) | ${cell(summary)} |`);
  for (const group of groups) {
    for (const operator of operators.filter((one) => one.group === group)) lines.push('', ...operatorLines(operator));
  }
  for (const engine of engines) lines.push('', ...engineLines(engine));
  return `${lines.join('\n')}\n`;
}

function operatorLines(operator: Operator): string[] {
  const { name, summary, description, group, kind, version, gas } = operator;
  return [
    `## ${name}`,
    '',
    `**${summary}** ${group}, ${kindText(kind)}, version ${version}; gas ${gas.perRecord} per record, ${gas.per64Bytes} per 64 bytes read.`,
    '',
    description,
    '',
    ...paramsTable(paramsSchemaOf(operator.params)),
    '',
    '```text',
    ...operator.examples.flatMap((example, n) => [...(n === 0 ? [] : ['']), ...exampleLines(name, example)]),
    '```',
  ];
}

function engineLines({ name, summary, description, version, params, input, output }: DataEngine): string[] {
  return [
    `## Engine ${name}`,
    '',
    `**${summary}** Data engine for \`simulate\`, version ${version}.`,
    '',
    description,
    '',
    ...paramsTable(paramsSchemaOf(params)),
    '',
    ...fieldsTable('input', input),
    '',
    ...fieldsTable('output', output),
  ];
}

function fieldsTable(title: string, schema: Schema): string[] {
  return [`| ${title} | type |`, '|---|---|', ...schema.map(({ name, type }) => `| \`${name}\` | ${describeType(type)} |`)];
}

function paramsTable(schema: ParamsSchema): string[] {
  const rows = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    if (typeof property === 'boolean') return [];
    const standing = schema.required?.includes(name)
      ? 'required'
      : property.default === undefined
        ? 'optional'
        : code(JSON.stringify(property.default));
    return [`| \`${name}\` | ${cell(typeText(property))} | ${standing} | ${cell(property.description ?? '')} |`];
  });
  return rows.length === 0 ? ['No parameters.'] : ['| parameter | type | default | meaning |', '|---|---|---|---|', ...rows];
}

/** `text`, `list`, `"a" | "b"`: a parameter's type as a person reads it. */
export function typeText(property: ParamsSchema): string {
  const { anyOf } = property;
  if (anyOf !== undefined)
    return [...new Set(anyOf.map((one) => (typeof one === 'boolean' ? 'anything' : typeText(one))))]
      .filter((text) => text !== '')
      .join(' or ');
  if (property.enum !== undefined) return property.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (property.const !== undefined) return JSON.stringify(property.const);
  const names: Readonly<Record<string, string>> = {
    string: 'text',
    integer: 'whole number',
    number: 'number',
    boolean: 'true or false',
    array: 'list',
    object: 'map',
    null: 'null',
  };
  return typeof property.type === 'string' ? (names[property.type] ?? property.type) : '';
}

function exampleLines(name: string, { title, params, data, input, output, answers }: GoldenCase): string[] {
  const sets = Object.entries(data ?? {}).map(([set, value]) => `# data: ${set} is ${JSON.stringify(value)}`);
  // Where a record is asked about more than once, answers stand in the order in which they were asked for.
  const drawn = answers !== undefined && answers.length !== input.length;
  const asked = drawn ? answers.map((answer) => `# answered ${JSON.stringify(answer)}`) : [];
  const rows = input.flatMap((row, n) => {
    const answer = drawn ? undefined : answers?.[n];
    return [showValue(row), ...(answer === undefined ? [] : [`  answered ${JSON.stringify(answer)}`]), `  → ${outcomeText(output[n])}`];
  });
  return [`# ${title}`, ...sets, ...asked, `- ${name}: ${JSON.stringify(params)}`, ...rows];
}

/** What becomes of one record of an example. */
export function outcomeText(output: GoldenCase['output'][number] | undefined): string {
  if (output === undefined) return 'nothing';
  if ('row' in output) return showValue(output.row);
  if ('rejected' in output) {
    const { measured, limit } = output.rejected;
    return `rejected${measured === undefined ? '' : `, measured ${measured}`}${limit === undefined ? '' : `, limit ${limit}`}`;
  }
  return 'failed' in output ? `failed: ${output.failed}` : `duplicate of candidate ${output.duplicate.i}`;
}

/** As one cell of a table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function code(text: string): string {
  return `\`${cell(text)}\``;
}

function anchor(name: string): string {
  return name.toLowerCase();
}
