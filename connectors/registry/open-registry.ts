/**
 * A schema registry with the Confluent interface. What its package offers is used (validating and registering); level and compatibility, which it keeps to itself,
 * are asked for here, before anything is registered.
 */
import { SchemaRegistry as Client, COMPATIBILITY, SchemaType } from '@kafkajs/confluent-schema-registry';
import { type Compatibility, type Json, MizuError, messageOf, parseAvroSchema, type SchemaRegistry, type SchemaVersion } from '#engine';
import { breaksLevel, explainRefusal } from './explain-refusal.ts';
import { type Answer, member, RegistryHttp } from './registry-http.ts';
import { type Difference, schemaDifferences } from './schema-diff.ts';
import { type RegistryOptions, type RegistrySettings, readLevel, readSettings } from './settings.ts';

/** Consumers must go on reading what they have read before. */
const DEFAULT_LEVEL = 'BACKWARD';
const SCHEMA_TYPES = ['AVRO', 'JSON', 'PROTOBUF'] as const;

/** The package takes the text as it stands; an object it would read and write again. */
interface AvroText {
  readonly type: typeof SchemaType.AVRO;
  readonly schema: string;
}

/** Asks nothing yet. @throws USAGE for settings that are missing or contradict each other. */
export function openRegistry(options: RegistryOptions): SchemaRegistry {
  return new ConfluentRegistry(readSettings(options));
}

class ConfluentRegistry implements SchemaRegistry {
  private readonly settings: RegistrySettings;
  private readonly http: RegistryHttp;
  private readonly client: Client;

  constructor(settings: RegistrySettings) {
    this.settings = settings;
    this.http = new RegistryHttp(settings);
    const { url: host, authorization } = settings;
    const middlewares: NonNullable<ConstructorParameters<typeof Client>[0]['middlewares']> =
      authorization === undefined
        ? []
        : [() => ({ request: (request) => Promise.resolve(request.enhance({ headers: { authorization } })) })];
    this.client = new Client({ host, clientId: 'mizu', middlewares });
  }

  async check(subject: string, schema: Json): Promise<void> {
    await this.checked(subject, schema);
  }

  async register(subject: string, schema: Json): Promise<number> {
    const level = await this.checked(subject, schema);
    const avro: AvroText = { type: SchemaType.AVRO, schema: JSON.stringify(schema) };
    try {
      // The package compares the level with the subject's, and refuses if somebody changed it meanwhile.
      return (await this.client.register(avro, { subject, compatibility: COMPATIBILITY[level] })).id;
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

  /** The subject's level, once the schema may follow what the subject holds. */
  private async checked(subject: string, schema: Json): Promise<Compatibility> {
    parseAvroSchema(schema);
    const level = await this.level(subject);
    const path = `/compatibility${subjectPath(subject)}/versions${level.endsWith('_TRANSITIVE') ? '' : '/latest'}`;
    const answer = await this.http.ask('POST', `${path}?verbose=true`, { schema: JSON.stringify(schema) });
    // A subject that holds nothing takes anything; some registries say so by 404.
    if (answer.status !== 404 && member(answer.body, 'is_compatible') !== true)
      throw await this.refusal(subject, schema, level, wordsOf(answer));
    return level;
  }

  /** The subject's own level, else ours, which it then gets. A level that somebody chose is never changed. */
  private async level(subject: string): Promise<Compatibility> {
    const { compatibility: wanted } = this.settings;
    const path = `/config/${encodeURIComponent(subject)}`;
    const { status, body } = await this.http.ask('GET', path);
    const own = status === 404 ? undefined : readLevel(member(body, 'compatibilityLevel'));
    // Some registries answer NONE for a subject that has no level of its own.
    if (own !== undefined && own !== 'NONE') {
      if (wanted === undefined || wanted === own) return own;
      throw new MizuError('REGISTRY_REFUSED', `Subject ${subject} has the level ${own}; MIZU_REGISTRY_COMPATIBILITY asks for ${wanted}`, {
        component: subject,
        hint: `Unset MIZU_REGISTRY_COMPATIBILITY to go with ${own}, or change the level of the subject in the registry`,
      });
    }
    const level = wanted ?? DEFAULT_LEVEL;
    if (own !== level) await this.http.ask('PUT', path, { compatibility: level });
    return level;
  }

  /** Compares with the newest version, under a transitive level with older ones too, until one shows what is broken. */
  private async refusal(subject: string, schema: Json, level: Compatibility, said: string | undefined): Promise<MizuError> {
    const latest = await this.latest(subject);
    if (latest === undefined)
      return new MizuError('REGISTRY_REFUSED', `The schema registry refuses the first schema of ${subject}: ${said}`, {
        component: subject,
      });
    let against = latest;
    let differences = differencesOf(latest, schema);
    const breaks = (all: readonly Difference[]): boolean => all.some((one) => breaksLevel(level, one));
    const older = level.endsWith('_TRANSITIVE') && !breaks(differences) ? (await this.versions(subject)).slice(0, -1) : [];
    for (const version of older.reverse()) {
      const found = differencesOf(version, schema);
      if (!breaks(found)) continue;
      [against, differences] = [version, found];
      break;
    }
    return explainRefusal({ subject, level, version: against.version, differences, said });
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

/** Confluent explains in `messages` when asked to be verbose; Apicurio doesn't. */
function wordsOf({ body }: Answer): string | undefined {
  const messages = member(body, 'messages') ?? member(body, 'message');
  return messages === undefined ? undefined : JSON.stringify(messages);
}
