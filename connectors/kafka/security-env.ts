/** Security from environment variables, so that secrets stand neither in addresses nor on command lines. One table, also for the documents. */
import { MizuError } from '#engine';
import type { TokenSource } from './oauth.ts';
import { readText } from './read-text.ts';
import type { KafkaSasl, KafkaSecurity, KafkaTls } from './security.ts';

export interface KafkaVariable {
  readonly name: string;
  readonly meaning: string;
  /** NAME_FILE may hold it instead. */
  readonly secret: boolean;
}

export const KAFKA_VARIABLES = [
  { name: 'MIZU_KAFKA_TLS', meaning: '`1` speaks TLS to the brokers; implied by the three below', secret: false },
  { name: 'MIZU_KAFKA_TLS_CA_FILE', meaning: 'authorities that are trusted, PEM; default: those that Node trusts', secret: false },
  { name: 'MIZU_KAFKA_TLS_CERT_FILE', meaning: "this client's certificate, PEM, where the cluster asks for one", secret: false },
  { name: 'MIZU_KAFKA_TLS_KEY_FILE', meaning: 'its private key, PEM', secret: false },
  { name: 'MIZU_KAFKA_SASL_MECHANISM', meaning: '`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`', secret: false },
  { name: 'MIZU_KAFKA_SASL_USERNAME', meaning: 'user, for PLAIN and SCRAM', secret: false },
  { name: 'MIZU_KAFKA_SASL_PASSWORD', meaning: 'password, for PLAIN and SCRAM', secret: true },
  {
    name: 'MIZU_KAFKA_SASL_TOKEN_FILE',
    meaning: 'file with a bearer token that something else keeps fresh, for OAUTHBEARER',
    secret: false,
  },
  { name: 'MIZU_KAFKA_SASL_TOKEN_ENDPOINT', meaning: 'OAuth token endpoint (client credentials), for OAUTHBEARER', secret: false },
  { name: 'MIZU_KAFKA_SASL_CLIENT_ID', meaning: 'client id at that endpoint', secret: false },
  { name: 'MIZU_KAFKA_SASL_CLIENT_SECRET', meaning: 'client secret at that endpoint', secret: true },
  { name: 'MIZU_KAFKA_SASL_SCOPE', meaning: 'scope to ask for there, if any', secret: false },
  {
    name: 'MIZU_KAFKA_COMPRESSION',
    meaning: '`zstd` packs what is written to the log, `none` (default) does not; read is either',
    secret: false,
  },
] as const satisfies readonly KafkaVariable[];

type Name = (typeof KAFKA_VARIABLES)[number]['name'];
export type KafkaCompression = 'none' | 'zstd';
type Environment = (name: string) => string | undefined;

/** @throws USAGE naming the variable that is missing or wrong; FILE_UNREADABLE for a secret's file. */
export function readKafkaSecurity(env: Environment): KafkaSecurity {
  const value = (name: Name): string | undefined => env(name) || undefined;
  const tls = readTls(value);
  const sasl = readSasl(value, (name) => readSecret(env, name));
  return { ...(tls === undefined ? {} : { tls }), ...(sasl === undefined ? {} : { sasl }) };
}

/** How what is written to the log is packed. @throws USAGE for another codec. */
export function readKafkaCompression(env: Environment): KafkaCompression {
  const value = env('MIZU_KAFKA_COMPRESSION' satisfies Name) || 'none';
  if (value === 'none' || value === 'zstd') return value;
  throw usage(
    `MIZU_KAFKA_COMPRESSION is '${value.slice(0, 20)}'`,
    "Give 'none' or 'zstd'. Batches of other codecs are read, but not written.",
  );
}

function readTls(value: (name: Name) => string | undefined): KafkaTls | undefined {
  const wanted = value('MIZU_KAFKA_TLS');
  if (wanted !== undefined && wanted !== '0' && wanted !== '1')
    throw usage(`MIZU_KAFKA_TLS is '${wanted.slice(0, 20)}'`, "Give '1' or '0'.");
  const [caFile, certFile, keyFile] = [
    value('MIZU_KAFKA_TLS_CA_FILE'),
    value('MIZU_KAFKA_TLS_CERT_FILE'),
    value('MIZU_KAFKA_TLS_KEY_FILE'),
  ];
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw usage('Only one of MIZU_KAFKA_TLS_CERT_FILE and MIZU_KAFKA_TLS_KEY_FILE is set', 'A client certificate needs both.');
  }
  const files = caFile !== undefined || certFile !== undefined;
  if (wanted === '0' && files) throw usage('MIZU_KAFKA_TLS is 0, but files for TLS are given', 'Leave out MIZU_KAFKA_TLS, or the files.');
  return wanted === '1' || files ? { caFile, certFile, keyFile } : undefined;
}

function readSasl(value: (name: Name) => string | undefined, secret: (name: Name) => string | undefined): KafkaSasl | undefined {
  const mechanism = value('MIZU_KAFKA_SASL_MECHANISM');
  switch (mechanism) {
    case undefined: {
      const stray = KAFKA_VARIABLES.find(({ name }) => name.startsWith('MIZU_KAFKA_SASL_') && value(name) !== undefined);
      if (stray === undefined) return undefined;
      throw usage(`${stray.name} is set, but MIZU_KAFKA_SASL_MECHANISM is not`, MECHANISMS);
    }
    case 'PLAIN':
    case 'SCRAM-SHA-256':
    case 'SCRAM-SHA-512':
      return {
        mechanism,
        username: needed('MIZU_KAFKA_SASL_USERNAME', value, mechanism),
        password: needed('MIZU_KAFKA_SASL_PASSWORD', secret, mechanism),
      };
    case 'OAUTHBEARER':
      return { mechanism, token: readTokenSource(value, secret) };
    default:
      throw usage(`MIZU_KAFKA_SASL_MECHANISM '${mechanism.slice(0, 40)}' is not known`, MECHANISMS);
  }
}

const MECHANISMS = 'Give PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.';

function readTokenSource(value: (name: Name) => string | undefined, secret: (name: Name) => string | undefined): TokenSource {
  const file = value('MIZU_KAFKA_SASL_TOKEN_FILE');
  const endpoint = value('MIZU_KAFKA_SASL_TOKEN_ENDPOINT');
  if ((file === undefined) === (endpoint === undefined)) {
    throw usage('OAUTHBEARER needs one source of tokens', 'Set MIZU_KAFKA_SASL_TOKEN_FILE or MIZU_KAFKA_SASL_TOKEN_ENDPOINT, not both.');
  }
  if (file !== undefined) return { file };
  if (endpoint === undefined || !URL.canParse(endpoint)) {
    throw usage(
      `MIZU_KAFKA_SASL_TOKEN_ENDPOINT '${endpoint?.slice(0, 80)}' is no URL`,
      'For example https://login.example.org/oauth2/token',
    );
  }
  return {
    endpoint,
    clientId: needed('MIZU_KAFKA_SASL_CLIENT_ID', value, 'a token endpoint'),
    clientSecret: needed('MIZU_KAFKA_SASL_CLIENT_SECRET', secret, 'a token endpoint'),
    scope: value('MIZU_KAFKA_SASL_SCOPE'),
  };
}

function needed(name: Name, from: (name: Name) => string | undefined, purpose: string): string {
  const found = from(name);
  if (found !== undefined) return found;
  const secret = KAFKA_VARIABLES.some((variable) => variable.name === name && variable.secret);
  throw usage(
    `${name} is not set, but ${purpose} needs it`,
    secret ? `Set ${name}, or ${name}_FILE to a file that holds it.` : `Set ${name}.`,
  );
}

function readSecret(env: Environment, name: Name): string | undefined {
  const [direct, file] = [env(name) || undefined, env(`${name}_FILE`) || undefined];
  if (direct !== undefined && file !== undefined) throw usage(`Both ${name} and ${name}_FILE are set`, 'Set one of them.');
  // A line end at the end of the file belongs to the editor, not to the secret.
  return file === undefined ? direct : readText(file).replace(/\r?\n$/, '');
}

function usage(message: string, hint: string): MizuError {
  return new MizuError('USAGE', message, { hint });
}
