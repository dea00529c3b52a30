/**
 * A schema registry with the Confluent interface. What its package offers is used (validating and registering); level and compatibility, which it keeps to itself,
 * are asked for here, before anything is registered.
 */
import type * as Package from '@kafkajs/confluent-schema-registry';
import { type Compatibility, type Json, MizuError, messageOf, parseAvroSchema, type SchemaRegistry, type SchemaVersion } from '#engine';
import { breaksLevel, explainRefusal } from './explain-refusal.ts';
import { type Answer, member, RegistryHttp } from './registry-http.ts';
import { type Difference, schemaDifferences } from './schema-diff.ts';
import { type RegistryOptions, type RegistrySettings, readLevel, readSettings } from './settings.ts';

/** Consumers must go on reading what they have read before. */
const DEFAULT_LEVEL = 'BACKWARD';
const SCHEMA_TYPES = ['AVRO', 'JSON', 'PROTOBUF'] as const;

/** Of a subject that nobody makes: what a registry answers for it, it answers for every subject without a level. */
const NO_SUBJECT = 'mizu-asks-what-is-answered-for-no-subject';

interface SubjectLevel {
  readonly level: Compatibility;
  /** Whether the subject has it. */
  readonly set: boolean;
}

interface Broken {
  /** The registered version that is broken. */
  readonly version: number;
  readonly differences: readonly Difference[];
}

/** The package takes the text as it stands; an object it would read and write again. */
interface AvroText {
  readonly type: typeof Package.SchemaType.AVRO;
  readonly schema: string;
}

type Client = Pick<typeof Package, 'SchemaType' | 'COMPATIBILITY'> & { readonly client: Package.SchemaRegistry };

/** Loaded with the first schema that is registered: most commands register none. */
async function openClient({ url: host, authorization }: RegistrySettings): Promise<Client> {
  const { SchemaRegistry: Opened, SchemaType, COMPATIBILITY } = await import('@kafkajs/confluent-schema-registry');
  const middlewares: NonNullable<ConstructorParameters<typeof Package.SchemaRegistry>[0]['middlewares']> =
    authorization === undefined ? [] : [() => ({ request: (request) => Promise.resolve(request.enhance({ headers: { authorization } })) })];
  return { client: new Opened({ host, clientId: 'mizu', middlewares }), SchemaType, COMPATIBILITY };
}

/** Asks nothing yet. @throws USAGE for settings that are missing or contradict each other. */
export function openRegistry(options: RegistryOptions): SchemaRegistry {
  return new ConfluentRegistry(readSettings(options));
}

class ConfluentRegistry implements SchemaRegistry {
  private readonly settings: RegistrySettings;
  private readonly http: RegistryHttp;
  private client: Promise<Client> | undefined;

  constructor(settings: RegistrySettings) {
    this.settings = settings;
    this.http = new RegistryHttp(settings);
  }

  async check(subject: string, schema: Json): Promise<void> {
    await this.checked(subject, schema);
  }

  async register(subject: string, schema: Json): Promise<number> {
    const { level, set } = await this.checked(subject, schema);
    if (!set) await this.http.ask('PUT', configPath(subject), { compatibility: level });
    this.client ??= openClient(this.settings);
    const { client, SchemaType, COMPATIBILITY } = await this.client;
    const avro: AvroText = { type: SchemaType.AVRO, schema: JSON.stringify(schema) };
    try {
      // The package compares the level with the subject's, and refuses if somebody changed it meanwhile.
      return (await client.register(avro, { subject, compatibility: COMPATIBILITY[level] })).id;
    } catch (error) {
      const status = typeof error === 'object' && error !== null && 'status' in error ? error.status : 0;
      // It calls a broken connection 400. Registering again is harmless, settles whether it was registered, and gives the answer itself.
      const answer = status === 400 ? await this.http.ask('POST', `${subjectPath(subject)}/versions`, { schema: avro.schema }) : undefined;
      const id = answer === undefined ? undefined : member(answer.body, 'id');
      if (typeof id === 'number') return id;
      if ((answer?.status ?? status) === 409) throw await this.refusal(subject, schema, level, messageOf(error));
      throw this.http.refused(error);
    }
  }

  async schemaOf(id: number): Promise<Json> {
    const { status, body } = await this.http.ask('GET', `/schemas/ids/${id}`);
    const text = member(body, 'schema');
    if (status === 404 || typeof text !== 'string') {
      const hint = 'Was the record written with another registry? Check MIZU_REGISTRY_URL';
      throw new MizuError('NOT_FOUND', `The schema registry ${this.settings.url} has no schema with id ${id}`, {
        component: 'registry',
        hint,
      });
    }
    return readSchema(text, `id ${id}`);
  }

  latest(subject: string): Promise<SchemaVersion | undefined> {
    return this.version(subject, 'latest');
  }

  async versions(subject: string): Promise<readonly SchemaVersion[]> {
    const { status, body } = await this.http.ask('GET', `${subjectPath(subject)}/versions`);
    const found: SchemaVersion[] = [];
    for (const number of status !== 404 && Array.isArray(body) ? body : []) {
      const version = typeof number === 'number' ? await this.version(subject, number) : undefined;
      if (version !== undefined) found.push(version);
    }
    return found.sort((a, b) => a.version - b.version);
  }

  private async version(subject: string, which: number | 'latest'): Promise<SchemaVersion | undefined> {
    const { status, body } = await this.http.ask('GET', `${subjectPath(subject)}/versions/${which}`);
    const id = member(body, 'id');
    const version = member(body, 'version');
    const schema = member(body, 'schema');
    if (status === 404 || typeof id !== 'number' || typeof version !== 'number' || typeof schema !== 'string') return undefined;
    // Avro is the type that goes without saying.
    const type = SCHEMA_TYPES.find((known) => known === member(body, 'schemaType')) ?? 'AVRO';
    return { id, version, type, schema };
  }

  /** The subject's level, once the schema may follow what the subject holds. Changes nothing. */
  private async checked(subject: string, schema: Json): Promise<SubjectLevel> {
    parseAvroSchema(schema);
    const found = await this.level(subject);
    const { level, set } = found;
    const path = `/compatibility${subjectPath(subject)}/versions${level.endsWith('_TRANSITIVE') ? '' : '/latest'}`;
    const answer = await this.http.ask('POST', `${path}?verbose=true`, { schema: JSON.stringify(schema) });
    // A subject that holds nothing takes anything; some registries say so by 404.
    if (answer.status !== 404 && member(answer.body, 'is_compatible') !== true)
      throw await this.refusal(subject, schema, level, wordsOf(answer));
    // While the subject has no level of its own the registry answers by that of all subjects, which may allow what ours does not.
    const broken = set ? undefined : await this.firstBreak(subject, schema, level);
    if (broken !== undefined) throw explainRefusal({ subject, level, ...broken });
    return found;
  }

  /** The subject's own level, which is never changed; else ours, which it gets with the first schema that is registered. */
  private async level(subject: string): Promise<SubjectLevel> {
    const { compatibility: wanted } = this.settings;
    const own = await this.ownLevel(subject);
    if (own === undefined) return { level: wanted ?? DEFAULT_LEVEL, set: false };
    if (wanted === undefined || wanted === own) return { level: own, set: true };
    throw new MizuError('REGISTRY_REFUSED', `Subject ${subject} has the level ${own}; MIZU_REGISTRY_COMPATIBILITY asks for ${wanted}`, {
      component: subject,
      hint: `Unset MIZU_REGISTRY_COMPATIBILITY to go with ${own}, or change the level of the subject in the registry`,
    });
  }

  /** Undefined while nobody chose one. */
  private async ownLevel(subject: string): Promise<Compatibility | undefined> {
    const own = await this.configOf(subject);
    // Some registries answer NONE for every subject without a level of its own: then nobody can tell whether it was chosen.
    return own === 'NONE' && (await this.configOf(NO_SUBJECT)) === 'NONE' ? undefined : own;
  }

  private async configOf(subject: string): Promise<Compatibility | undefined> {
    const { status, body } = await this.http.ask('GET', configPath(subject));
    return status === 404 ? undefined : readLevel(member(body, 'compatibilityLevel'));
  }

  /** What a registry's refusal means, field by field. */
  private async refusal(subject: string, schema: Json, level: Compatibility, said: string | undefined): Promise<MizuError> {
    const latest = await this.latest(subject);
    if (latest === undefined)
      return new MizuError('REGISTRY_REFUSED', `The schema registry refuses the first schema of ${subject}: ${said}`, {
        component: subject,
      });
    const broken = await this.firstBreak(subject, schema, level);
    const against = broken ?? { version: latest.version, differences: differencesOf(latest, schema) };
    return explainRefusal({ subject, level, ...against, said });
  }

  /** The newest version that the schema breaks under the level: the newest of all, under a transitive level also an older one. */
  private async firstBreak(subject: string, schema: Json, level: Compatibility): Promise<Broken | undefined> {
    const latest = await this.latest(subject);
    if (latest === undefined) return undefined;
    const older = level.endsWith('_TRANSITIVE') ? (await this.versions(subject)).slice(0, -1).reverse() : [];
    for (const version of [latest, ...older]) {
      const differences = differencesOf(version, schema);
      if (differences.some((one) => breaksLevel(level, one))) return { version: version.version, differences };
    }
    return undefined;
  }
}

function readSchema(text: string, of: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new MizuError('BYTES_INVALID', `The schema registry's schema of ${of} is no JSON`, { component: 'registry', cause: error });
  }
}

function differencesOf(before: SchemaVersion, after: Json): Difference[] {
  // Only Avro can be compared; a subject of another type is refused as a whole.
  if (before.type !== 'AVRO') return [];
  return schemaDifferences(parseAvroSchema(readSchema(before.schema, `version ${before.version}`)), parseAvroSchema(after));
}

function subjectPath(subject: string): string {
  return `/subjects/${encodeURIComponent(subject)}`;
}

function configPath(subject: string): string {
  return `/config/${encodeURIComponent(subject)}`;
}

/** Confluent explains in `messages` when asked to be verbose; Apicurio doesn't. */
function wordsOf({ body }: Answer): string | undefined {
  const messages = member(body, 'messages') ?? member(body, 'message');
  return messages === undefined ? undefined : JSON.stringify(messages);
}
