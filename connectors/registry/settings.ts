/** Where the registry is and who asks. Secrets come from the environment alone: a command line is readable by others, and is kept in histories. */
import { type Compatibility, MizuError } from '#engine';

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
  const [user, password, token] = ['USER', 'PASSWORD', 'TOKEN'].map((name) => value(env, `MIZU_REGISTRY_${name}`));
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

function value(env: RegistryOptions['env'], name: string): string | undefined {
  const text = env[name];
  return text === '' ? undefined : text;
}

function usage(message: string, hint: string): MizuError {
  return new MizuError('USAGE', message, { component: 'registry', hint });
}
