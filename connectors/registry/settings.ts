/** Where the registry is and who asks. Secrets come from the environment alone: a command line is readable by others, and is kept in histories. */
import { readFileSync } from 'node:fs';
import { type Compatibility, MizuError, messageOf } from '#engine';

export interface RegistryVariable {
  readonly name: string;
  readonly meaning: string;
  /** NAME_FILE may hold it instead. */
  readonly secret: boolean;
}

export const REGISTRY_VARIABLES = [
  { name: 'MIZU_REGISTRY_URL', meaning: 'base address of the Confluent interface', secret: false },
  { name: 'MIZU_REGISTRY_USER', meaning: 'user, where the registry wants one', secret: false },
  { name: 'MIZU_REGISTRY_PASSWORD', meaning: 'his password', secret: true },
  { name: 'MIZU_REGISTRY_TOKEN', meaning: 'bearer token, in place of user and password', secret: true },
  {
    name: 'MIZU_REGISTRY_COMPATIBILITY',
    meaning: 'level that subjects get and must have; default: the one a subject has, else `BACKWARD`',
    secret: false,
  },
] as const satisfies readonly RegistryVariable[];

type Name = (typeof REGISTRY_VARIABLES)[number]['name'];

export interface RegistryOptions {
  /** Base address of the Confluent interface; else MIZU_REGISTRY_URL. */
  readonly url?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface RegistrySettings {
  /** Without a slash at the end. */
  readonly url: string;
  /** The value of the Authorization header. */
  readonly authorization: string | undefined;
  /** What the user asks for; undefined: whatever the subject has, else BACKWARD. */
  readonly compatibility: Compatibility | undefined;
}

const LEVELS: readonly Compatibility[] = [
  'NONE',
  'BACKWARD',
  'BACKWARD_TRANSITIVE',
  'FORWARD',
  'FORWARD_TRANSITIVE',
  'FULL',
  'FULL_TRANSITIVE',
];

/** A level as a registry or a user writes it; undefined when it is none. */
export function readLevel(text: unknown): Compatibility | undefined {
  return LEVELS.find((level) => level === String(text).toUpperCase());
}

/** @throws USAGE that names the variable. */
export function readSettings({ url: given, env }: RegistryOptions): RegistrySettings {
  const text = given ?? value(env, 'MIZU_REGISTRY_URL');
  if (text === undefined) throw usage('No schema registry is named', 'Set MIZU_REGISTRY_URL to its address, such as http://127.0.0.1:8081');
  const url = readAddress(text);
  const level = value(env, 'MIZU_REGISTRY_COMPATIBILITY');
  const compatibility = level === undefined ? undefined : readLevel(level);
  if (level !== undefined && compatibility === undefined) {
    throw usage(`MIZU_REGISTRY_COMPATIBILITY is '${level.slice(0, 40)}'`, `Use one of ${LEVELS.join(', ')}`);
  }
  return { url, authorization: readAuthorization(env), compatibility };
}

function readAddress(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw usage(
      `The address of the registry is '${text.slice(0, 80)}'`,
      'Use http://HOST:PORT or https://HOST:PORT, with a path if it has one',
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw usage('The address of the registry holds a user or password', 'Set MIZU_REGISTRY_USER and MIZU_REGISTRY_PASSWORD instead');
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function readAuthorization(env: RegistryOptions['env']): string | undefined {
  const user = value(env, 'MIZU_REGISTRY_USER');
  const password = secret(env, 'MIZU_REGISTRY_PASSWORD');
  const token = secret(env, 'MIZU_REGISTRY_TOKEN');
  if (token !== undefined && user !== undefined) {
    throw usage('Both MIZU_REGISTRY_TOKEN and MIZU_REGISTRY_USER are set', 'Unset the one that the registry does not use');
  }
  if ((user === undefined) !== (password === undefined)) {
    const missing = user === undefined ? 'MIZU_REGISTRY_USER' : 'MIZU_REGISTRY_PASSWORD';
    throw usage(`${missing} is not set`, 'A user goes with a password');
  }
  if (token !== undefined) return `Bearer ${token}`;
  return user === undefined ? undefined : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function value(env: RegistryOptions['env'], name: Name | `${Name}_FILE`): string | undefined {
  return env[name] || undefined;
}

function secret(env: RegistryOptions['env'], name: Name): string | undefined {
  const [direct, file] = [value(env, name), value(env, `${name}_FILE`)];
  if (direct !== undefined && file !== undefined) throw usage(`Both ${name} and ${name}_FILE are set`, 'Set one of them');
  if (file === undefined) return direct;
  try {
    // A line end at the end of the file belongs to the editor, not to the secret.
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const hint = `Mend ${name}_FILE, or the rights of the file`;
    throw new MizuError('FILE_UNREADABLE', `The file of ${name} can't be read: ${messageOf(error)}`, {
      component: 'registry',
      hint,
      cause: error,
    });
  }
}

function usage(message: string, hint: string): MizuError {
  return new MizuError('USAGE', message, { component: 'registry', hint });
}
