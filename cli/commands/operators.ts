/** `mizu operators [NAME]`: the reference, made of the same objects that validate and test the operators. */
import type { GoldenCase, Json, Operator } from '#kernel';
import { MizuError, nearest, workflowJsonSchema } from '#kernel';
import { registry } from '#workflows';
import type { Context, Outcome } from '../context.ts';
import { columns } from '../format.ts';
import { kindText, outcomeText, type ParamsSchema, paramsSchemaOf, referenceMarkdown, typeText } from '../operator-reference.ts';
import { showValue } from '../show-value.ts';

export interface OperatorsOptions {
  readonly markdown?: boolean;
  readonly schema?: boolean;
}

export async function operators(context: Context, name: string | undefined, options: OperatorsOptions): Promise<Outcome> {
  if (options.schema === true) {
    const schema = workflowJsonSchema(registry);
    await context.out.text(JSON.stringify(schema));
    return { result: { schema: { ...schema } as Json } };
  }
  if (name === undefined) {
    await context.out.text(options.markdown === true ? referenceMarkdown(registry).trimEnd() : listText(registry.operators));
    return { result: { operators: registry.operators.map(({ name: op, group, kind, summary }) => ({ name: op, group, kind, summary })) } };
  }
  const operator = registry.operators.find((candidate) => candidate.name === name);
  if (operator === undefined) {
    const known = registry.operators.map((candidate) => candidate.name);
    throw new MizuError('NOT_FOUND', `There is no operator '${name}'`, { hint: nearest(name, known) ?? `There are: ${known.join(', ')}.` });
  }
  const schema = paramsSchemaOf(operator.params);
  await context.out.text(referenceText(context, operator, schema));
  const { group, kind, version, summary, description, gas } = operator;
  return { result: { name, group, kind, version, summary, description, gas: { ...gas }, params: schema as Json } };
}

function listText(all: readonly Operator[]): string {
  const groups = [...new Set(all.map((operator) => operator.group))];
  const rows = groups.flatMap((group) =>
    all.filter((operator) => operator.group === group).map((operator, n) => [n === 0 ? group : '', operator.name, operator.summary]),
  );
  return `${columns(rows)}\n\nOne of them with parameters and examples: mizu operators NAME`;
}

function referenceText(context: Context, operator: Operator, schema: ParamsSchema): string {
  const { out } = context;
  const lines = [
    out.style('bold', operator.name),
    `  ${operator.summary}`,
    '',
    ...wrapped(operator.description, '  '),
    '',
    `  ${operator.group} · ${kindText(operator.kind)} · version ${operator.version} · gas ${operator.gas.perRecord} per record, ${operator.gas.per64Bytes} per 64 bytes`,
    '',
    out.style('bold', 'Parameters'),
    ...parameterLines(schema),
    '',
    out.style('bold', 'Examples'),
    ...operator.examples.flatMap((example) => exampleLines(operator.name, example)),
  ];
  return lines.join('\n').trimEnd();
}

function parameterLines(schema: ParamsSchema): string[] {
  const properties = schema.properties ?? {};
  const lines: string[] = [];
  for (const [name, property] of Object.entries(properties)) {
    if (typeof property === 'boolean') continue;
    const notes = [
      typeText(property),
      schema.required?.includes(name) ? 'required' : undefined,
      property.default === undefined ? undefined : `default ${JSON.stringify(property.default)}`,
    ];
    lines.push(
      `  ${name}  (${notes.filter((note) => note !== undefined && note !== '').join(', ')})`,
      ...wrapped(property.description ?? '', '      '),
    );
  }
  return lines.length === 0 ? ['  none'] : lines;
}

function exampleLines(name: string, example: GoldenCase): string[] {
  const lines = [`  ${example.title}`, `    - ${name}: ${JSON.stringify(example.params)}`];
  example.input.forEach((row, n) => void lines.push(`    ${showValue(row)}`, `      → ${outcomeText(example.output[n])}`));
  return [...lines, ''];
}

const TEXT_COLUMNS = 96;

function wrapped(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((one) => one !== '')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > TEXT_COLUMNS) {
      lines.push(indent + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(indent + line);
  return lines;
}
