/** Plans an operator over a schema and collects its problems: the compiler's part, in a few lines. */
import { nearest } from '#engine';
import type { DataSet, FieldType, OpPlan, Operator, PlanContext, Schema, SourceInfo, TopicInfo } from '#engine';
import { engines } from '#operators';

export interface Planned {
  readonly plans: readonly OpPlan[];
  /** `at: message` */
  readonly problems: readonly string[];
  readonly hints: readonly string[];
}

export interface Surroundings {
  readonly files?: Readonly<Record<string, string>>;
  readonly models?: readonly string[];
  readonly data?: Readonly<Record<string, DataSet>>;
  readonly source?: SourceInfo;
  readonly topic?: TopicInfo;
}

/** What an operator sees while it plans, and what it reported. */
export function contextOver(
  schema: Schema,
  surroundings: Surroundings = {},
): { readonly context: PlanContext; readonly problems: string[]; readonly hints: string[] } {
  const problems: string[] = [];
  const hints: string[] = [];
  const report = (at: string, message: string, more?: { readonly hint?: string }): undefined => {
    problems.push(`${at}: ${message}`);
    if (more?.hint !== undefined) hints.push(more.hint);
    return undefined;
  };
  const context: PlanContext = {
    schema,
    step: 'step',
    file: (path) => {
      const text = surroundings.files?.[path];
      return text === undefined ? report('', `no file '${path}'`) : Buffer.from(text);
    },
    rule: (_step, at) => report(at, 'no rules here'),
    fieldType: (path, at) => typeAt(schema, path.split('.')) ?? report(at, `no field '${path}'`),
    data: (name, at) => surroundings.data?.[name] ?? report(at, `no data '${name}'`),
    source: surroundings.source,
    topic: surroundings.topic,
    models: surroundings.models ?? [],
    engines,
    problem: (at, message, more) => report(at, message, more),
    warning: () => undefined,
    nearest,
  };
  return { context, problems, hints };
}

export function planOver(operator: Operator, params: unknown, schema: Schema, surroundings: Surroundings = {}): Planned {
  const { context, problems, hints } = contextOver(schema, surroundings);
  const parsed = operator.params.safeParse(params);
  if (!parsed.success)
    return { plans: [], problems: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`), hints };
  return { plans: operator.plan(parsed.data, context), problems, hints };
}

function typeAt(schema: Schema, path: readonly string[]): FieldType | undefined {
  const [name, ...inner] = path;
  const type = schema.find((field) => field.name === name)?.type;
  if (inner.length === 0 || type === undefined) return type;
  return typeof type === 'object' && 'record' in type ? typeAt(type.record, inner) : undefined;
}
