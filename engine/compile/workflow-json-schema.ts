/** JSON Schema (2020-12) of workflow files for editors, from the same objects that validate. */
import type { Operator, Registry } from '../contract/operator.ts';
import type { Json } from '../contract/program.ts';
import type { JsonSchema } from '../workflow/json-schema.ts';
import { jsonSchemaOf } from '../workflow/json-schema.ts';
import { STEP_ID_PATTERN, workflowSchema } from '../workflow/workflow-schema.ts';

export function workflowJsonSchema(registry: Registry): JsonSchema {
  const root = jsonSchemaOf(workflowSchema);
  const defs: Record<string, JsonSchema> = { ...root.$defs };
  for (const operator of registry.operators) defs[defName(operator)] = paramsSchema(operator, defs);
  defs['step'] = { anyOf: registry.operators.map(stepSchema) };
  const steps = (name: string): JsonSchema => ({ ...root.properties?.[name], items: { $ref: '#/$defs/step' } });
  return {
    ...root,
    title: 'Mizu workflow',
    properties: { ...root.properties, generate: steps('generate'), verify: steps('verify') },
    $defs: defs,
  };
}

function defName(operator: Operator): string {
  return `operator-${operator.name}`;
}

function stepSchema(operator: Operator): JsonSchema {
  return {
    type: 'object',
    description: operator.summary,
    properties: { [operator.name]: { $ref: `#/$defs/${defName(operator)}` } },
    required: [operator.name],
    additionalProperties: false,
  };
}

/** The operator's own parameters, and the kernel's `id` and `onFail`. Its definitions move to the root under names of their own. */
function paramsSchema(operator: Operator, defs: Record<string, JsonSchema>): JsonSchema {
  const { $defs, $schema: _, ...own } = jsonSchemaOf(operator.params);
  const prefix = `#/$defs/${defName(operator)}`;
  for (const [name, schema] of Object.entries($defs ?? {}))
    defs[`${defName(operator)}-${name}`] = moveRefs(schema as Json, prefix) as JsonSchema;
  const moved = moveRefs(own as Json, prefix) as JsonSchema;
  const general: Record<string, JsonSchema> = {
    id: { type: 'string', pattern: STEP_ID_PATTERN.source, description: 'Name of the step in draws, proofs and reports.' },
    ...(operator.group === 'rule'
      ? {
          onFail: {
            anyOf: [
              { enum: ['drop', 'flag'] },
              { type: 'object', properties: { repair: { type: 'object' } }, required: ['repair'], additionalProperties: false },
            ],
            default: 'drop',
            description:
              'What becomes of a record that breaks the rule: `drop`, `flag`, or `{ repair: … }` with the parameters of the operator `repair`.',
          },
        }
      : {}),
  };
  const withGeneral = (schema: JsonSchema): JsonSchema =>
    schema.properties === undefined ? schema : { ...schema, properties: { ...schema.properties, ...general } };
  const branches = moved.anyOf ?? moved.oneOf;
  const schema =
    branches === undefined ? withGeneral(moved) : { ...moved, [moved.anyOf === undefined ? 'oneOf' : 'anyOf']: branches.map(withGeneral) };
  return { ...schema, description: operator.summary };
}

function moveRefs(value: Json, prefix: string): Json {
  if (Array.isArray(value)) return value.map((element: Json) => moveRefs(element, prefix));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [
      key,
      key === '$ref' && typeof entry === 'string' ? movedRef(entry, prefix) : moveRefs(entry, prefix),
    ]),
  );
}

function movedRef(ref: string, prefix: string): string {
  return ref === '#' ? prefix : ref.replace('#/$defs/', `${prefix}-`);
}
