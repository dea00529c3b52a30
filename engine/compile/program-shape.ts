/** Programs and deployments read back from a log: their shape is checked before anything relies on it. */
import { z } from 'zod';
import type { Deployment, Json, Program } from '../contract/program.ts';
import { TOPIC_FORMATS } from '../contract/program.ts';
import type { SourceBounds } from '../contract/source.ts';
import type { Schema } from '../contract/types.ts';
import { isFieldType, isSchema } from '../workflow/type-shapes.ts';

const whole = z.number().int().nonnegative();
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const schema = z.custom<Schema>(isSchema);

const OP = z.strictObject({
  id: z.string(),
  op: z.string(),
  version: whole,
  kind: z.enum(['row', 'external', 'keyed']),
  params: z.json(),
  reads: z.array(z.string()),
  writes: schema,
  data: z.array(digest),
  onFail: z.enum(['drop', 'flag', 'note']),
  storage: z.enum(['local', 'global']),
  drops: z.literal(true).optional(),
  random: z.literal('vrf').optional(),
});

const STAGE = z.strictObject({
  index: whole,
  kind: z.enum(['source', 'keyed', 'last']),
  partitions: whole,
  input: schema,
  ops: z.array(OP),
  output: schema,
  shuffle: z.strictObject({ by: z.array(z.string()), partitions: whole }).optional(),
});

const FILES = z.strictObject({ format: z.enum(['jsonl', 'csv', 'parquet', 'text']), records: whole, digest });
const TOPIC = z.strictObject({
  kind: z.literal('topic'),
  name: z.string(),
  format: z.enum(TOPIC_FORMATS),
  ingest: z.enum(['copy', 'reference']),
  until: z.literal('end').optional(),
});

const PRICE = z.strictObject({ input: whole, output: whole });

const PROGRAM = z.strictObject({
  mizu: z.literal(1),
  seed: z.union([z.number(), z.string()]),
  accept: whole.optional(),
  budget: z.strictObject({
    candidates: whole.optional(),
    tokens: whole.optional(),
    money: z.strictObject({ micros: whole, currency: z.string(), prices: z.record(z.string(), PRICE) }).optional(),
    requestBytes: whole.optional(),
  }),
  task: z.strictObject({ size: whole.min(1) }),
  block: whole.min(1),
  source: z.union([FILES, TOPIC]).optional(),
  data: z.record(z.string(), z.strictObject({ kind: z.enum(['list', 'map']), type: z.custom(isFieldType), size: whole, digest })),
  stages: z.array(STAGE).min(2),
  published: schema,
});

const MODEL = z.strictObject({
  url: z.string(),
  model: z.string().optional(),
  keyEnv: z.string().optional(),
  calls: whole.optional(),
  timeoutMs: whole.optional(),
  price: PRICE.extend({ currency: z.string() }).optional(),
});

const SOURCE = z.strictObject({
  url: z.string().optional(),
  topic: z.string().optional(),
  registry: z.string().optional(),
  from: z.enum(['earliest', 'latest']),
});

const DEPLOYMENT = z.strictObject({
  name: z.string(),
  nodes: whole,
  deadlineMs: z.number(),
  models: z.record(z.string(), MODEL),
  storage: z.enum(['global', 'local']),
  retention: z.strictObject({ bytes: z.number().optional(), ms: z.number().optional() }).optional(),
  sources: z.record(z.string(), SOURCE).optional(),
  publish: z.strictObject({ topic: z.string(), url: z.string().optional() }).optional(),
  cutEveryMs: z.number().optional(),
  memoryBytes: whole.optional(),
  schemaId: whole.optional(),
});

const BOUNDS = z.strictObject({ topic: z.string(), partitions: z.array(z.strictObject({ from: whole, to: whole.optional() })) });

export function isProgram(json: Json): json is Json & Program {
  return PROGRAM.safeParse(json).success;
}

export function isDeployment(json: Json): json is Json & Deployment {
  return DEPLOYMENT.safeParse(json).success;
}

export function isSourceBounds(json: Json): json is Json & SourceBounds {
  return BOUNDS.safeParse(json).success;
}
