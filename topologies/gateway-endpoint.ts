/** The HTTP endpoint of a gateway, from its configuration file: keys and tokens are read once, from the environment and from files. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { GatewayConfig, Log } from '#engine';
import { messageOf, MizuError, parseGatewayConfig, workflowText } from '#engine';
import { type Endpoint, type EndpointOptions, openEndpoint } from '#connectors/inference';
import { localDirectory, openSigner, openStorage } from './open-log.ts';
import type { Environment } from './run-gateway.ts';

export interface GatewayEndpointOptions extends Pick<EndpointOptions, 'host' | 'port' | 'onEvent' | 'pages'> {
  readonly log: Log;
  readonly config: GatewayConfig;
  /** Where the configuration came from: token files are relative to it. */
  readonly configFile: string;
  readonly keyFile?: string | undefined;
  readonly env: Environment;
}

/** @throws FILE_UNREADABLE; WORKFLOW_INVALID with every problem and its place. */
export function readGatewayConfig(file: string): GatewayConfig {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new MizuError('FILE_UNREADABLE', `Can't read the configuration ${file}: ${messageOf(error)}`, {
      cause: error,
      component: '--config',
      hint: 'documents/gateway.md shows a small one.',
    });
  }
  return parseGatewayConfig(workflowText(bytes, file), file);
}

/** @throws USAGE for keys, tokens or an address; KEY_INVALID; what the log throws. */
export async function openGatewayEndpoint(options: GatewayEndpointOptions): Promise<Endpoint> {
  const { log, config, env, host, port, onEvent, pages = {} } = options;
  const local = openStorage(join(localDirectory(log), 'endpoint'));
  try {
    const signer = openSigner(log, options.keyFile);
    const tokens = tokensOf(config, options.configFile, env);
    const endpoint = await openEndpoint({ config, log, signer, local, env, tokens, host, port, onEvent, pages });
    return {
      ...endpoint,
      async close() {
        await endpoint.close();
        await local.close();
      },
    };
  } catch (error) {
    await local.close();
    throw error;
  }
}

function tokensOf({ callers }: GatewayConfig, configFile: string, env: Environment): ReadonlyMap<string, string> {
  const tokens = new Map<string, string>();
  for (const [name, { tokenEnv, tokenFile }] of Object.entries(callers)) {
    if (tokenEnv !== undefined) tokens.set(name, env(tokenEnv) ?? '');
    else if (tokenFile !== undefined) tokens.set(name, readToken(resolve(dirname(configFile), tokenFile), name));
  }
  return tokens;
}

function readToken(file: string, caller: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new MizuError('FILE_UNREADABLE', `Can't read the token of caller '${caller}' from ${file}: ${messageOf(error)}`, {
      cause: error,
      component: 'callers',
    });
  }
}
