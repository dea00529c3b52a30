/**
 * What a broker of a test asks of its clients: certificates made for it by openssl, users, tokens. Everything here is made for one broker and thrown
 * away with it. Kafka reads PEM, so no keystore tool is needed.
 */
import { execFileSync } from 'node:child_process';
import { createSign, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * How the listener for clients is secured. `acl` is `sasl-plain` with the standard authorizer: `admin` may everything, the others what an ACL allows.
 * `scram` takes SCRAM-SHA-256 and SCRAM-SHA-512; `oauth` takes tokens signed by `oauthToken`; `tls-client` asks for a client's certificate too.
 */
export type Security = 'tls' | 'tls-client' | 'sasl-plain' | 'sasl-plain-tls' | 'scram' | 'oauth' | 'acl';

/** Users of every listener with SASL; the password is the name with `-secret` behind it. */
export const BROKER_USERS = [
  'admin',
  'alice',
  'bob',
  'deployer',
  'orchestrator',
  'node',
  'gateway',
  'checkpointer',
  'reader',
  'consumer',
] as const;

export function passwordOf(user: string): string {
  return `${user}-secret`;
}

const OAUTH_ISSUER = 'https://issuer.test';
const OAUTH_AUDIENCE = 'kafka';
const OAUTH_KEY_ID = 'broker-test';
const OAUTH_TOKEN_SECONDS = 600;

/** What a client of a secured listener needs. PEM texts. */
export interface ClientSecrets {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** A token of the broker's own issuer; a negative lifetime makes an expired one. */
  oauthToken(user: string, lifetimeSeconds?: number): string;
}

export interface SecuredListener {
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
  /** Lines of server.properties. */
  readonly properties: Readonly<Record<string, string>>;
  /** Arguments of the storage tool: users that must be there before the first start. */
  readonly format: readonly string[];
  readonly jvm: readonly string[];
  readonly secrets: ClientSecrets;
}

const LISTENER = 'listener.name.client';

/** Makes what the listener `CLIENT` needs in `folder`. */
export function secureListener(security: Security | undefined, folder: string): SecuredListener {
  const plain: SecuredListener = { protocol: 'PLAINTEXT', properties: {}, format: [], jvm: [], secrets: { oauthToken: noTokens } };
  switch (security) {
    case undefined:
      return plain;
    case 'tls':
    case 'tls-client':
      return { ...plain, protocol: 'SSL', ...tls(folder, security === 'tls-client') };
    case 'sasl-plain':
      return { ...plain, protocol: 'SASL_PLAINTEXT', properties: saslPlain() };
    case 'sasl-plain-tls': {
      const { properties, secrets } = tls(folder, false);
      return { ...plain, protocol: 'SASL_SSL', properties: { ...properties, ...saslPlain() }, secrets };
    }
    case 'scram':
      return { ...plain, protocol: 'SASL_PLAINTEXT', properties: scram(), format: scramUsers() };
    case 'oauth':
      return { ...plain, protocol: 'SASL_PLAINTEXT', ...oauth(folder) };
    case 'acl':
      return { ...plain, protocol: 'SASL_PLAINTEXT', properties: { ...saslPlain(), ...authorizer() } };
  }
}

function noTokens(): never {
  throw new Error("this broker takes no tokens: ask for security 'oauth'");
}

/** Inter-broker and controller listeners are loopback without authentication, so their user is ANONYMOUS. */
function authorizer(): Record<string, string> {
  return {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:admin;User:ANONYMOUS',
    'allow.everyone.if.no.acl.found': 'false',
  };
}

function saslPlain(): Record<string, string> {
  const users = BROKER_USERS.map((user) => `user_${user}="${passwordOf(user)}"`).join(' ');
  return {
    [`${LISTENER}.sasl.enabled.mechanisms`]: 'PLAIN',
    [`${LISTENER}.plain.sasl.jaas.config`]: `org.apache.kafka.common.security.plain.PlainLoginModule required ${users};`,
  };
}

const SCRAM_MECHANISMS = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

function scram(): Record<string, string> {
  const login = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  return {
    [`${LISTENER}.sasl.enabled.mechanisms`]: SCRAM_MECHANISMS.join(','),
    ...Object.fromEntries(SCRAM_MECHANISMS.map((mechanism) => [`${LISTENER}.${mechanism.toLowerCase()}.sasl.jaas.config`, login])),
  };
}

function scramUsers(): string[] {
  return SCRAM_MECHANISMS.flatMap((mechanism) =>
    BROKER_USERS.flatMap((user) => ['--add-scram', `${mechanism}=[name=${user},password=${passwordOf(user)}]`]),
  );
}

function tls(folder: string, clientMustShow: boolean): Pick<SecuredListener, 'properties' | 'secrets'> {
  const ca = certificate(folder, 'ca', ['-x509', '-days', '2', '-subj', '/CN=mizu test authority']);
  const signed = ['-x509', '-days', '2', '-CA', join(folder, 'ca.crt'), '-CAkey', join(folder, 'ca.key')];
  const server = certificate(folder, 'server', [
    ...signed,
    '-subj',
    '/CN=127.0.0.1',
    '-addext',
    'subjectAltName=IP:127.0.0.1,DNS:localhost',
  ]);
  const client = certificate(folder, 'client', [...signed, '-subj', '/CN=alice']);
  const keystore = join(folder, 'server.pem');
  writeFileSync(keystore, `${server.key}${server.cert}`, { mode: 0o600 });
  return {
    properties: {
      [`${LISTENER}.ssl.keystore.type`]: 'PEM',
      [`${LISTENER}.ssl.keystore.location`]: keystore,
      [`${LISTENER}.ssl.truststore.type`]: 'PEM',
      [`${LISTENER}.ssl.truststore.location`]: join(folder, 'ca.crt'),
      [`${LISTENER}.ssl.client.auth`]: clientMustShow ? 'required' : 'none',
    },
    secrets: { ca: ca.cert, cert: client.cert, key: client.key, oauthToken: noTokens },
  };
}

function certificate(folder: string, name: string, args: readonly string[]): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  execFileSync('openssl', ['req', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...args], { stdio: 'pipe' });
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

/** Tokens are JWTs signed by RS256; the broker reads the issuer's keys from a file, as it would from a provider's address. */
function oauth(folder: string): Pick<SecuredListener, 'properties' | 'jvm' | 'secrets'> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keys = join(folder, 'jwks.json');
  writeFileSync(keys, JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: OAUTH_KEY_ID, alg: 'RS256', use: 'sig' }] }));
  const address = `file://${keys}`;
  return {
    properties: {
      [`${LISTENER}.sasl.enabled.mechanisms`]: 'OAUTHBEARER',
      [`${LISTENER}.oauthbearer.sasl.jaas.config`]:
        'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
      [`${LISTENER}.oauthbearer.sasl.server.callback.handler.class`]:
        'org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler',
      [`${LISTENER}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url`]: address,
      [`${LISTENER}.oauthbearer.sasl.oauthbearer.expected.issuer`]: OAUTH_ISSUER,
      [`${LISTENER}.oauthbearer.sasl.oauthbearer.expected.audience`]: OAUTH_AUDIENCE,
    },
    // Since 4.0 a broker opens only addresses that are allowed by name.
    jvm: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${address}`],
    secrets: { oauthToken: (user, lifetime = OAUTH_TOKEN_SECONDS) => signToken(privateKey, user, lifetime) },
  };
}

function signToken(key: KeyObject, user: string, lifetimeSeconds: number): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: OAUTH_ISSUER,
    sub: user,
    aud: OAUTH_AUDIENCE,
    iat: now,
    exp: now + lifetimeSeconds,
    jti: randomUUID(),
    scope: 'kafka',
  };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'RS256', typ: 'JWT', kid: OAUTH_KEY_ID })}.${part(claims)}`;
  return `${text}.${createSign('RSA-SHA256').update(text).sign(key, 'base64url')}`;
}
