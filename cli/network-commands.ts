/** The commands that make this machine part of a network: the roles, as processes. */
import type { Command } from 'commander';
import type { DoctorOptions } from './commands/doctor.ts';
import type { SimulatorCommandOptions } from './commands/simulator.ts';
import type { CommonOptions } from './context.ts';
import type { RunAction } from './program.ts';

/** Helpers of the program that these commands need, handed in so that neither file imports the other's values. */
export interface CommandTools {
  readonly common: (command: Command, withLog?: boolean) => Command;
  readonly whole: (low: number, high: number) => (text: string) => number;
  readonly workerLimit: number;
}

export interface UpCommandOptions {
  readonly roles: string;
  readonly id?: string;
  readonly workers?: number;
  readonly weight?: number;
  readonly memory?: string;
  readonly key?: string;
  readonly run: readonly string[];
  readonly http?: string;
}

export interface GatewayCommandOptions extends Omit<UpCommandOptions, 'roles'> {
  readonly config?: string;
  readonly host?: string;
  readonly port?: number;
}

const ALL_ROLES = 'orchestrator,node,gateway,checkpointer';
/** Largest weight that an offer may ask for. */
const WEIGHT_LIMIT = 1_000_000;

const ROLE_COMMANDS = {
  orchestrator: 'Decide: cut, assign, accept; or stand by for the one that does (as `up --roles orchestrator`)',
  node: 'Execute tasks and keyed steps (as `up --roles node`)',
  checkpointer: 'Build the tree of proofs and sign its heads (as `up --roles checkpointer`)',
} as const;

export function addNetworkCommands(program: Command, run: RunAction, tools: CommandTools): void {
  program.commandsGroup('Run a network:');
  const roleCommand = (name: string, description: string): Command =>
    tools
      .common(program.command(name).description(description))
      .option('--id <name>', 'name of this process, kept when it is started again (default: the host name)')
      .option(
        '--workers <n>',
        `worker threads for each run, 1 to ${tools.workerLimit} (default: one per core)`,
        tools.whole(1, tools.workerLimit),
      )
      .option('--weight <n>', 'share of the work that it asks for (default: 1)', tools.whole(1, WEIGHT_LIMIT))
      .option('--memory <size>', 'memory that its tasks may take together, such as 8GB (default: what this machine or container has)')
      .option('--run <name>', 'serve only this run (repeatable)', (value: string, before: readonly string[]) => [...before, value], [])
      .option('--key <file>', 'key that signs, PKCS#8 PEM (default: keys/signer.pem of the log, made on first use)')
      .option('--http <host:port>', 'serve /metrics, /healthz and /readyz there');
  roleCommand('up', 'Play roles in every run that is deployed on the log, until Ctrl-C')
    .option('--roles <roles>', 'some of orchestrator, node, gateway, checkpointer', ALL_ROLES)
    .action((options: CommonOptions & UpCommandOptions) =>
      run(options, async (context) => (await import('./commands/up.ts')).up(context, options)),
    );
  roleCommand(
    'gateway',
    'Answer questions to models, signed: of runs over the log (as `up --roles gateway`), and with --config of any program over HTTP',
  )
    .option('--config <file>', 'models and callers of the HTTP endpoint (YAML)')
    .option('--port <n>', 'port of the HTTP endpoint (default: 8090; 0 takes a free one)', tools.whole(0, 65_535))
    .option('--host <host>', 'address of the HTTP endpoint (default: 127.0.0.1)')
    .action((options: CommonOptions & GatewayCommandOptions) =>
      run(options, async (context) => (await import('./commands/gateway.ts')).gateway(context, options)),
    );
  tools
    .common(program.command('simulator').description('Serve the simulators of this installation over HTTP, for `simulate-hosted`'), false)
    .option('--port <n>', 'port (0 takes a free one)', tools.whole(0, 65_535), 8091)
    .option('--host <host>', 'address', '127.0.0.1')
    .option('--token-env <variable>', 'environment variable that holds the token which callers must show')
    .action((options: CommonOptions & SimulatorCommandOptions) =>
      run(options, async (context) => (await import('./commands/simulator.ts')).simulator(context, options)),
    );
  tools
    .common(program.command('doctor').description('Say, signed, whether this machine computes what every other does and may be a node'))
    .option('--vectors <file>', 'determinism vectors to run (default: those that come with Mizu)')
    .option('--key <file>', 'key that signs the result (default: LOG/keys/signer.pem, made on first use)')
    .option('--out <file>', 'file for the signed result', 'mizu-doctor.json')
    .action((options: CommonOptions & DoctorOptions) =>
      run(options, async (context) => (await import('./commands/doctor.ts')).doctor(context, options)),
    );
  for (const [role, description] of Object.entries(ROLE_COMMANDS)) {
    roleCommand(role, description).action((options: CommonOptions & Omit<UpCommandOptions, 'roles'>) =>
      run(options, async (context) => (await import('./commands/up.ts')).up(context, { ...options, roles: role })),
    );
  }
}
