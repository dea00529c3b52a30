/**
 * `mizu gateway`: answers the questions of runs over the log; with `--config`, those of any program over HTTP as well. One process, one log: both record there.
 */
import { MizuError } from '#engine';
import { openGatewayEndpoint, readGatewayConfig } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import type { GatewayCommandOptions } from '../network-commands.ts';
import { up, type ServedWith } from './up.ts';

const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_PORT = 8090;

export async function gateway(context: Context, options: GatewayCommandOptions): Promise<Outcome> {
  const { config: configFile } = options;
  if (configFile === undefined) {
    const lone = (['port', 'host'] as const).find((name) => options[name] !== undefined);
    if (lone !== undefined)
      throw new MizuError('USAGE', `--${lone} says where callers are answered, and --config is missing`, { component: `--${lone}` });
    return up(context, { ...options, roles: 'gateway' });
  }
  // Whatever is wrong with it is said before anything is opened.
  const config = readGatewayConfig(configFile);
  let broken: MizuError | undefined;
  const serve: ServedWith = async ({ log, watching, stop }) => {
    const { pages } = watching.metrics;
    const endpoint = await openGatewayEndpoint({
      log,
      config,
      configFile,
      keyFile: options.key,
      env: (variable) => process.env[variable],
      host: options.host ?? DEFAULT_HOST,
      port: options.port ?? DEFAULT_PORT,
      // Where they have an address of their own, they are at no other.
      pages: options.http === undefined ? pages : {},
      onEvent: (event) => {
        watching.onEndpoint(event);
        if (event.type !== 'broken') return;
        broken ??= event.error;
        stop();
      },
    });
    watching.metrics.watchModels(() => new Map([...endpoint.gateway.paces].map(([name, { state }]) => [name, state])));
    context.progress.note(`Callers are answered at ${endpoint.address}/v1`);
    return { close: () => endpoint.close(), result: { address: endpoint.address } };
  };
  const outcome = await up(context, { ...options, roles: 'gateway' }, serve);
  if (broken === undefined) return outcome;
  throw broken;
}
