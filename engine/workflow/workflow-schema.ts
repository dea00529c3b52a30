/**
 * What an author may write in a workflow file (DESIGN section 6). These objects validate, give the defaults, and produce the
 * editor's JSON Schema. Steps are checked later, with the operators' own schemas.
 */
import { z } from 'zod';
import { NAME_LIMIT, NAME_PATTERN } from '../contract/ids.ts';
import type { Retention } from '../contract/log.ts';
import type { Json, ModelAddress, SourceAddress, TokenPrice } from '../contract/program.ts';
import { BUDGET, PRICE, RECORDS_LIMIT } from './budget-schema.ts';
import { sizeText, timeText } from './units.ts';

/** Candidates per task when the author gives no `task.size`. */
export const DEFAULT_TASK_SIZE = 64;
export const TASK_SIZE_LIMIT = 100_000;
/** Records per block when the author gives no `block`. */
export const DEFAULT_BLOCK_RECORDS = 1_024;
export const BLOCK_RECORDS_LIMIT = 65_536;
/** Partitions of a shuffle when the author gives no `partitions` (P5). */
export const DEFAULT_PARTITIONS = 8;
export const PARTITIONS_LIMIT = 1_024;
/** Time frame of a task when the author gives no `task.deadline`. */
export const DEFAULT_DEADLINE = '60s';
/** Longest time that a record of a live source waits for a full task. */
export const CUT_EVERY_LIMIT_MS = 60 * 60 * 1_000;
export const DEADLINE_LIMIT_MS = 24 * 60 * 60 * 1_000;
/** Most memory that a task may ask a node for, bytes: 16 TiB. */
export const TASK_MEMORY_LIMIT_BYTES = 2 ** 44;
export const DEFAULT_SEED = 0;
export const DEFAULT_NODES = 1;
export const NODES_LIMIT = 10_000;
/** Most steps of a workflow, `generate` and `verify` together. */
export const STEPS_LIMIT = 256;
/** Longest seed given as text, characters. */
export const SEED_LIMIT = 256;

export const DATA_NAME_PATTERN = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;
export const STEP_ID_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$/;

const count = (limit: number, what: string) => z.int().min(1).max(limit).describe(what);

/** What a reader that is behind may miss at once: below this, retention would take what the next step still needs. */
export const RETENTION_LEAST_BYTES = 16_000_000;
export const RETENTION_LEAST_MS = 60_000;

const duration = timeText({ such: '500ms, 60s, 5m or 1h', least: [1, 'above 0'], most: [DEADLINE_LIMIT_MS, '24h'] }).describe(
  'Time frame of a task: 500ms, 60s, 5m, 1h.',
);
const every = timeText({ such: '50ms, 1s or 5m', least: [1, 'above 0'], most: [CUT_EVERY_LIMIT_MS, '1h'] }).describe(
  'A record of a live source waits for a full task at most this long: 50ms, 1s; a deployment setting.',
);
const retentionBytes = sizeText({ such: '500MB or 1GiB', least: [RETENTION_LEAST_BYTES, 'at least 16MB'] }).describe(
  'The log may forget the begin of a partition that holds more than this: 500MB, 1GiB.',
);
const retentionTime = timeText({ such: '30m or 24h', least: [RETENTION_LEAST_MS, 'at least 1m'] }).describe(
  'The log may forget what is older than this: 30m, 24h.',
);
const taskMemory = sizeText({ such: '500MB or 2GiB', least: [1, 'above 0'], most: [TASK_MEMORY_LIMIT_BYTES, '16TiB'] }).describe(
  'A node takes tasks only if it offers so much memory for each of its slots: 500MB, 2GiB; a deployment setting.',
);

const path = z.string().min(1).max(1_024);

const dataSource = z
  .union([
    z.strictObject({ list: z.union([path, z.array(z.json())]).describe('A file (.txt, .yaml, .json, .csv) or the list itself.') }),
    z.strictObject({ map: z.union([path, z.record(z.string(), z.json())]).describe('A file (.yaml, .json) or the map itself.') }),
  ])
  .describe('A list or a map, loaded into global storage and named by its digest.');

/** Largest `calls` of a model. */
export const MODEL_CALLS_LIMIT = 4_096;
/** Longest `timeout` of a model. */
export const MODEL_TIMEOUT_LIMIT_MS = 60 * 60 * 1_000;

export const modelSchema = z
  .strictObject({
    url: z
      .string()
      .max(2_048)
      .regex(/^https?:\/\/[^\s@]+$/, 'an address such as http://127.0.0.1:8080/v1, without a user name or password')
      .describe('Base address of an OpenAI-compatible server.'),
    model: z.string().min(1).max(256).optional().describe("The server's own name of the model; default: the name given here."),
    keyEnv: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable, never the key itself')
      .optional()
      .describe('Environment variable that holds the key.'),
    calls: count(MODEL_CALLS_LIMIT, 'Most calls to it at once; how many are good below that is found out. Default: 64.').optional(),
    timeout: timeText({ such: '30s or 10m', least: [1, 'above 0'], most: [MODEL_TIMEOUT_LIMIT_MS, '1h'] })
      .optional()
      .describe('One whole call may take so long: 30s, 10m. Default: 3m.'),
    price: PRICE,
  })
  .describe('Where a model answers: a deployment setting, not part of the program.');

/** Names of topics, by Kafka's rule. */
export const TOPIC_PATTERN = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/;

const brokers = z
  .string()
  .max(2_048)
  .regex(
    /^kafka:\/\/[^\s@/,]+:\d+(?:,[^\s@/,]+:\d+)*$/,
    'an address such as kafka://127.0.0.1:9092 or kafka://a:9092,b:9092, without a user name or password',
  )
  .optional();

const topicName = z.string().regex(TOPIC_PATTERN, 'a name of letters, digits, . _ and -').optional();

const source = z
  .strictObject({
    url: brokers.describe("Brokers of the topic; default: those of the run's own log."),
    topic: topicName.describe('Its name there; default: the name given here.'),
    registry: z
      .string()
      .max(2_048)
      .regex(/^https?:\/\/[^\s@]+$/, 'an address such as http://127.0.0.1:8081, without a user name or password')
      .optional()
      .describe('Schema registry of its values, for the formats avro and json-schema; default: MIZU_REGISTRY_URL.'),
    from: z.enum(['earliest', 'latest']).default('earliest').describe('Where a run that is deployed for the first time begins.'),
  })
  .describe('Where a topic that steps read lies: a deployment setting, not part of the program.');

/** `$` begins the kernel's own names. */
const MODEL_NAME = z.string().regex(/^[^$]/, 'a name that does not begin with $').max(128);

export const stepShape = z.record(z.string(), z.json()).describe('One operator and its parameters.');

/** The sections of a workflow file, in the order in which people write them. */
export const WORKFLOW_SECTIONS = {
  mizu: z.literal(1).describe('Version of the workflow language.'),
  name: z
    .string()
    .max(NAME_LIMIT)
    .regex(NAME_PATTERN, 'lower-case letters, digits, and single - or . between them, such as support-tickets')
    .describe('Name of the workflow and of its runs.'),
  description: z.string().max(4_096).optional().describe('For people; not part of the program.'),
  seed: z
    .union([z.int(), z.string().min(1).max(SEED_LIMIT)])
    .default(DEFAULT_SEED)
    .describe('Governs every draw.'),
  accept: count(RECORDS_LIMIT, 'Exactly this many verified records; without it, all there are.').optional(),
  budget: BUDGET.prefault({}).describe('Limits of the run.'),
  task: z
    .strictObject({
      size: count(TASK_SIZE_LIMIT, 'Candidates per task.').default(DEFAULT_TASK_SIZE),
      deadline: duration.default(DEFAULT_DEADLINE),
      every: every.optional(),
      memory: taskMemory.optional(),
    })
    .prefault({})
    .describe('The unit of work that a node takes.'),
  block: count(BLOCK_RECORDS_LIMIT, 'Records handled at once.').default(DEFAULT_BLOCK_RECORDS),
  partitions: count(PARTITIONS_LIMIT, 'Partitions of each shuffle.').default(DEFAULT_PARTITIONS),
  nodes: count(NODES_LIMIT, 'How many nodes to employ; a deployment setting.').default(DEFAULT_NODES),
  retention: z
    .strictObject({ bytes: retentionBytes.optional(), time: retentionTime.optional() })
    .optional()
    .describe(
      'What the log may forget of source, frames, deltas, answers and published records, all together; without it, nothing. A deployment setting.',
    ),
  data: z
    .record(z.string().regex(DATA_NAME_PATTERN, 'a name of letters, digits, _ and -, at most 64'), dataSource)
    .prefault({})
    .describe('Lists and maps by name.'),
  models: z.record(MODEL_NAME, modelSchema).prefault({}).describe('Models by the name that steps use.'),
  sources: z
    .record(z.string().regex(TOPIC_PATTERN, 'a name of letters, digits, . _ and -'), source)
    .prefault({})
    .describe('Topics that are read, by the name that steps use.'),
  generate: z.array(stepShape).min(1).max(STEPS_LIMIT).describe('Steps that make a record.'),
  verify: z.array(stepShape).max(STEPS_LIMIT).prefault([]).describe('Steps that check, correct or drop it.'),
  publish: z
    .strictObject({
      fields: z
        .array(z.string().min(1).max(256))
        .min(1)
        .max(1_024)
        .optional()
        .describe('Fields of published records, in order; default: all.'),
      storage: z.enum(['global', 'local']).default('global').describe('Where results are kept.'),
      topic: topicName.describe("A topic on the cluster of the run's own log that takes the verified records too; a deployment setting."),
      url: brokers.describe("Its brokers, which must be those of the run's own log; a deployment setting."),
    })
    .prefault({})
    .describe('What leaves the workflow.'),
} as const;

export type SectionName = keyof typeof WORKFLOW_SECTIONS;
export const SECTION_NAMES = Object.keys(WORKFLOW_SECTIONS) as readonly SectionName[];

export const workflowSchema = z.strictObject(WORKFLOW_SECTIONS).describe('A Mizu workflow.');

/** A workflow as written: what YAML holds and what the builder makes. */
export type WorkflowDocument = z.input<typeof workflowSchema>;

/** One step as written: operator and parameters, not yet checked. `operator` is empty when the step could not be read. */
export interface StepSpec {
  readonly operator: string;
  readonly params: Json;
  /** Path of the parameters in the document: `verify[1].length`. */
  readonly path: string;
  /** Where the parameters of the rule stand, for a rule with a repair: the step is then that of the repair. */
  readonly rulePath?: string;
}

export type DataSource =
  | { readonly kind: 'list'; readonly from: string | readonly Json[] }
  | { readonly kind: 'map'; readonly from: string | { readonly [key: string]: Json } };

/** A model as written: its price in units of the currency. */
export type ModelSpec = Omit<ModelAddress, 'price'> & { readonly price?: TokenPrice & { readonly currency: string } };

/** A workflow with its defaults filled in. */
export interface WorkflowSpec {
  readonly mizu: 1;
  readonly name: string;
  readonly description: string | undefined;
  readonly seed: number | string;
  readonly accept: number | undefined;
  readonly budget: {
    readonly candidates: number | undefined;
    readonly tokens: number | undefined;
    /** In units of the currency. */
    readonly money: number | undefined;
    readonly requestBytes: number | undefined;
  };
  readonly task: {
    readonly size: number;
    readonly deadlineMs: number;
    readonly everyMs: number | undefined;
    readonly memoryBytes: number | undefined;
  };
  readonly block: number;
  readonly partitions: number;
  readonly nodes: number;
  readonly retention: Retention | undefined;
  readonly data: Readonly<Record<string, DataSource>>;
  readonly models: Readonly<Record<string, ModelSpec>>;
  readonly sources: Readonly<Record<string, SourceAddress>>;
  readonly generate: readonly StepSpec[];
  readonly verify: readonly StepSpec[];
  readonly publish: {
    readonly fields: readonly string[] | undefined;
    readonly storage: 'global' | 'local';
    readonly topic: string | undefined;
    readonly url: string | undefined;
  };
}
