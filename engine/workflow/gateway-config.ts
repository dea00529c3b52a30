/**
 * The configuration of a gateway's HTTP endpoint, as its operator writes it: models as in a workflow, and who may ask them. Every problem at once,
 * with its place (law 10). Keys and tokens never stand here: they are named by the variable or file that holds them.
 */
import { z } from 'zod';
import type { Problem } from '../contract/errors.ts';
import { MizuError } from '../contract/errors.ts';
import type { ModelAddress } from '../contract/program.ts';
import { explainIssues, kindOf } from './explain-issues.ts';
import { formatProblem } from './format-problems.ts';
import { problemAt, sortProblems } from './place.ts';
import { modelOf } from './read-document.ts';
import { modelSchema } from './workflow-schema.ts';
import { parseYaml } from './yaml-document.ts';

/** Requests of one caller at once, unless its `calls` says otherwise. */
export const CALLER_CALLS = 64;
/** Requests of one caller per minute, unless its `perMinute` says otherwise. */
export const CALLER_PER_MINUTE = 6_000;
export const CALLERS_LIMIT = 1_000;

/** Names of endpoints and callers: parts of topics' names and of what is signed. */
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,47}$/;

const callerSchema = z
  .strictObject({
    tokenEnv: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable, never the token itself')
      .optional()
      .describe('Environment variable that holds the token.'),
    tokenFile: z.string().min(1).max(1_024).optional().describe('File that holds the token, from the folder of this file on.'),
    models: z.array(z.string().min(1)).min(1).optional().describe('Models that it may ask; default: all.'),
    calls: z.int().min(1).max(4_096).default(CALLER_CALLS).describe('Requests at once.'),
    perMinute: z.int().min(1).max(1_000_000).default(CALLER_PER_MINUTE).describe('Requests per minute; so many may also come at once.'),
    tokensPerDay: z.int().min(1).optional().describe('Tokens of new answers in 24 hours; default: no limit.'),
  })
  .refine((caller) => (caller.tokenEnv === undefined) !== (caller.tokenFile === undefined), 'expected one of tokenEnv and tokenFile')
  .describe('Who may ask, and how much.');

export const gatewayConfigSchema = z
  .strictObject({
    mizu: z.literal(1).describe('Version of this language.'),
    name: z
      .string()
      .regex(NAME, 'letters, digits, _ and -, beginning with a letter, at most 48')
      .default('default')
      .describe('Name of the endpoint: its answers stand in topics of this name.'),
    models: z.record(z.string().min(1).max(128), modelSchema).describe('Models by the name that callers use.'),
    callers: z
      .record(z.string().regex(NAME, 'letters, digits, _ and -, beginning with a letter, at most 48'), callerSchema)
      .refine((callers) => Object.keys(callers).length > 0, 'at least one caller')
      .refine((callers) => Object.keys(callers).length <= CALLERS_LIMIT, `at most ${CALLERS_LIMIT} callers`)
      .describe('Who may ask, by name.'),
  })
  .describe('The endpoint of a gateway.');

export interface CallerConfig {
  readonly tokenEnv?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** Absent: all. */
  readonly models?: readonly string[] | undefined;
  readonly calls: number;
  readonly perMinute: number;
  readonly tokensPerDay?: number | undefined;
}

export interface GatewayConfig {
  readonly name: string;
  readonly models: Readonly<Record<string, ModelAddress>>;
  readonly callers: Readonly<Record<string, CallerConfig>>;
}

/** @param file shown in problems. @throws WORKFLOW_INVALID with every problem and its place. */
export function parseGatewayConfig(text: string, file: string): GatewayConfig {
  const yaml = parseYaml(text, file);
  const problems: Problem[] = [...yaml.problems];
  const { value, locate } = yaml;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    if (problems.length === 0)
      problems.push(
        problemAt('', locate(''), `The configuration is ${kindOf(value)}`, { expected: 'a map with mizu, models and callers' }),
      );
    throw configError(problems, file);
  }
  const parsed = gatewayConfigSchema.safeParse(value, { reportInput: true });
  if (!parsed.success)
    throw configError([...problems, ...explainIssues({ schema: gatewayConfigSchema, error: parsed.error, path: '', locate })], file);
  const { name, models, callers } = parsed.data;
  for (const [caller, { models: asked = [] }] of Object.entries(callers)) {
    asked.forEach((model, n) => {
      const path = `callers.${caller}.models[${n}]`;
      if (!(model in models))
        problems.push(
          problemAt(path, locate(path), `There is no model '${model}' under \`models\``, {
            expected: Object.keys(models).join(', ') || 'a name under `models`, where there is none',
          }),
        );
    });
  }
  if (problems.length > 0) throw configError(problems, file);
  return { name, models: Object.fromEntries(Object.entries(models).map(([one, model]) => [one, modelOf(model)])), callers };
}

function configError(problems: readonly Problem[], file: string): MizuError {
  const sorted = sortProblems(problems);
  const [first] = sorted;
  const more = sorted.length > 1 ? ` (and ${sorted.length - 1} more)` : '';
  const summary = first === undefined ? '' : `: ${formatProblem({ path: '', message: first.message })}${more}`;
  return new MizuError('WORKFLOW_INVALID', `${file} is no configuration of a gateway${summary}`, { component: file, problems: sorted });
}
