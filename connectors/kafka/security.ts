/** Who connects, and how it is kept secret: TLS and SASL, from files and secrets that never appear in addresses or errors. */
import type { ConnectionOptions } from 'node:tls';
import type { SaslOptions } from './kafkajs.ts';
import { bearerAuthentication, type TokenSource } from './oauth.ts';
import { readText } from './read-text.ts';

export interface KafkaTls {
  /** Authorities that are trusted, PEM. Default: those that Node trusts. */
  readonly caFile?: string | undefined;
  /** This client's certificate and key, PEM, where the cluster asks for them. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

export type KafkaSasl =
  | { readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; readonly username: string; readonly password: string }
  | { readonly mechanism: 'OAUTHBEARER'; readonly token: TokenSource };

export interface KafkaSecurity {
  readonly tls?: KafkaTls | undefined;
  readonly sasl?: KafkaSasl | undefined;
}

export interface ConnectionSecurity {
  readonly tls: ConnectionOptions | undefined;
  readonly sasl: SaslOptions | undefined;
}

/** @throws FILE_UNREADABLE */
export function connectionSecurity(security: KafkaSecurity | undefined): ConnectionSecurity {
  return { tls: security?.tls && tlsOptions(security.tls), sasl: security?.sasl && saslOptions(security.sasl) };
}

function tlsOptions({ caFile, certFile, keyFile }: KafkaTls): ConnectionOptions {
  return {
    ...(caFile === undefined ? {} : { ca: readText(caFile) }),
    ...(certFile === undefined ? {} : { cert: readText(certFile) }),
    ...(keyFile === undefined ? {} : { key: readText(keyFile) }),
  };
}

function saslOptions(sasl: KafkaSasl): SaslOptions {
  switch (sasl.mechanism) {
    case 'OAUTHBEARER':
      return { mechanism: 'oauthbearer', authenticationProvider: bearerAuthentication(sasl.token) };
    case 'PLAIN':
      return { mechanism: 'plain', username: sasl.username, password: sasl.password };
    case 'SCRAM-SHA-256':
      return { mechanism: 'scram-sha-256', username: sasl.username, password: sasl.password };
    case 'SCRAM-SHA-512':
      return { mechanism: 'scram-sha-512', username: sasl.username, password: sasl.password };
  }
}
