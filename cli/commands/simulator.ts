/** `mizu simulator`: the simulators of this installation behind HTTP, until Ctrl-C (documents/simulators.md). */
import { once } from 'node:events';
import { MizuError } from '#engine';
import { hostSimulators } from '#topologies';
import type { Context, Outcome } from '../context.ts';
import { EXIT } from '../exit-codes.ts';

export interface SimulatorCommandOptions {
  readonly port: number;
  readonly host: string;
  readonly tokenEnv?: string;
}

/** Shortest token: as for callers of a gateway. */
const TOKEN_MIN_CHARACTERS = 16;

export async function simulator(context: Context, { port, host, tokenEnv }: SimulatorCommandOptions): Promise<Outcome> {
  const token = tokenEnv === undefined ? undefined : process.env[tokenEnv];
  if (tokenEnv !== undefined && (token === undefined || token.length < TOKEN_MIN_CHARACTERS)) {
    throw new MizuError('USAGE', `The environment variable ${tokenEnv} holds no token of at least ${TOKEN_MIN_CHARACTERS} characters`, {
      component: '--token-env',
      hint: 'Make one with `openssl rand -hex 32`.',
    });
  }
  const { signal } = context;
  const server = await hostSimulators({ port, host, token });
  context.progress.note(`Simulators run at ${server.address}/v1; Ctrl-C ends it`);
  if (!signal.aborted) await once(signal, 'abort');
  await server.close();
  return { exitCode: EXIT.done, result: { address: server.address } };
}
