/** Every command with its arguments and options, in one place: the help is made of this. What a command does is loaded when it runs. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { TaskRange } from '#engine';
import type { Action } from './command-line.ts';
import type { OperatorsOptions } from './commands/operators.ts';
import type { VerifyOptions } from './commands/verify.ts';
import type { CommonOptions } from './context.ts';
import { addLifecycleCommands } from './lifecycle-commands.ts';
import { addNetworkCommands } from './network-commands.ts';
import { installedVersion } from './version.ts';

/** Same as `DEFAULT_LOG` of the topologies, which a help text need not load. */
const DEFAULT_LOG = './.mizu';
const WORKER_LIMIT = 64;
const NODE_LIMIT = 32;
const PREVIEW_LIMIT = 1000;

export type RunAction = (options: CommonOptions, action: Action) => Promise<void>;

/** @param run called once with the chosen command. */
export function buildProgram(run: RunAction): Command {
  const program = new Command('mizu')
    .description('Data workflows that anyone can check: generate records, verify them, prove and replay every step.')
    .version(installedVersion(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .showHelpAfterError('(--help shows arguments and options)')
    .exitOverride()
    .configureHelp({ sortSubcommands: false })
    .addHelpText('after', HELP_END);
  addAuthorCommands(program, run);
  addRunCommands(program, run);
  addLifecycleCommands(program, run, { common, workflowCommand, runCommand, nodes: whole(1, NODE_LIMIT), nodeLimit: NODE_LIMIT });
  addNetworkCommands(program, run, { common, whole, workerLimit: WORKER_LIMIT });
  addProofCommands(program, run);
  addDataCommands(program, run);
  return program.addHelpCommand(new Command('help').argument('[command]').description('Show the help of a command').helpGroup('Help:'));
}

const HELP_END = `
Start here:
  mizu demo                       a real run from end to end, in under a minute
  mizu init my-data               a small workflow to change

Exit codes: 0 done, 1 the check or run failed, 2 the input was wrong, 130 interrupted.`;

function addAuthorCommands(program: Command, run: RunAction): void {
  program.commandsGroup('Write a workflow:');
  common(
    program.command('init').argument('[dir]', 'folder to write into', '.').description('Write a small workflow that works, to start from'),
    false,
  ).action((dir: string, options: CommonOptions) =>
    run(options, async (context) => (await import('./commands/init.ts')).init(context, dir)),
  );
  workflowCommand(program.command('check'))
    .description('Check a workflow; shows every problem at once')
    .action((file: string, options: CommonOptions & SetOptions) =>
      run(options, async (context) => (await import('./commands/check.ts')).check(context, file, options)),
    );
  workflowCommand(program.command('compile'))
    .description('Show the program that a workflow compiles to')
    .addOption(new Option('--format <format>', 'how to show it').choices(['text', 'json', 'mermaid']).default('text'))
    .action((file: string, options: CommonOptions & SetOptions & { format: 'text' | 'json' | 'mermaid' }) =>
      run(options, async (context) => (await import('./commands/compile.ts')).compile(context, file, options)),
    );
  workflowCommand(program.command('preview'))
    .description('Run a few candidates here and show each one after every step; writes nothing')
    .option('-n, --count <n>', `candidates, 1 to ${PREVIEW_LIMIT}`, whole(1, PREVIEW_LIMIT), 5)
    .action((file: string, options: CommonOptions & SetOptions & { count: number }) =>
      run(options, async (context) => (await import('./commands/preview.ts')).preview(context, file, options)),
    );
  common(
    program
      .command('operators')
      .argument('[name]', 'an operator')
      .description('List the operators, or show one with its parameters and examples'),
    false,
  )
    .option('--markdown', 'print the reference of all operators and data engines as Markdown')
    .option('--schema', 'print the JSON Schema of workflow files, for editors')
    .action((name: string | undefined, options: CommonOptions & OperatorsOptions) =>
      run(options, async (context) => (await import('./commands/operators.ts')).operators(context, name, options)),
    );
}

export interface SetOptions {
  readonly set: readonly string[];
}

export interface RunCommandOptions extends SetOptions {
  readonly nodes?: number;
  readonly workers?: number;
  readonly newGeneration?: boolean;
  readonly key?: string;
}

function addRunCommands(program: Command, run: RunAction): void {
  program.commandsGroup('Run it:');
  workflowCommand(program.command('run'))
    .description('Run a workflow to its end here; started again with the same log, it goes on where it stopped')
    .option('--nodes <n>', `nodes to employ, 1 to ${NODE_LIMIT} (default: as the workflow says)`, whole(1, NODE_LIMIT))
    .option('--workers <n>', `worker threads, 1 to ${WORKER_LIMIT} (default: one per core)`, whole(1, WORKER_LIMIT))
    .option('--new-generation', 'start a changed workflow beside the run of the old one')
    .option('--key <file>', 'key that signs, PKCS#8 PEM (default: LOG/keys/signer.pem, made on first use)')
    .action((file: string, options: CommonOptions & RunCommandOptions) =>
      run(options, async (context) => (await import('./commands/run.ts')).run(context, file, options)),
    );
  common(program.command('demo').argument('[dir]', 'folder for the log and the data (default: a new one below ./out)'), false)
    .description('Simulate, verify, prove and export a real data set from end to end, in under a minute')
    .option('--workers <n>', `worker threads, 1 to ${WORKER_LIMIT} (default: one per core)`, whole(1, WORKER_LIMIT))
    .action((dir: string | undefined, options: CommonOptions & { workers?: number }) =>
      run(options, async (context) => (await import('./commands/demo.ts')).demo(context, dir, options)),
    );
}

function addProofCommands(program: Command, run: RunAction): void {
  program.commandsGroup('Check it:');
  common(program.command('verify').argument('<name>', 'a run, or a file that ends with .tlog-proof or .json'))
    .description(
      'Check signatures, tree, inclusion and counts of a run; or, offline, a proof file, the attestation of an answer, or what a doctor signed',
    )
    .option('--verifier-key <vkey>', 'key that must have signed (default: the one in the log or in the proof, which is shown)')
    .option('--deep', 'read all records, every entry and every page of the log, and name what is damaged')
    .option('--key <hex>', 'for an attestation: public key of the gateway (default: the one that it names, which is shown)')
    .option('--response <file>', 'for an attestation: the answer as it was received, which must be the one that was signed')
    .action((name: string, options: CommonOptions & VerifyOptions) =>
      run(options, async (context) => (await import('./commands/verify.ts')).verify(context, name, options)),
    );
  runCommand(program.command('audit'))
    .description('Read every topic of a run raw, alive or not, and list lost, duplicated, torn and zombie writes')
    .option('--source', 'look at the topic that it reads, too: every record of it must be in the run')
    .action((name: string, options: CommonOptions & { source?: boolean }) =>
      run(options, async (context) => (await import('./commands/audit.ts')).audit(context, name, options)),
    );
  runCommand(program.command('replay'))
    .description('Execute a run again from its log alone and compare every leaf')
    .option('--tasks <a..b>', 'only tasks A to B, both included', taskRange)
    .option('--workers <n>', `worker threads, 1 to ${WORKER_LIMIT} (default: one per core)`, whole(1, WORKER_LIMIT))
    .action((name: string, options: CommonOptions & { tasks?: TaskRange; workers?: number }) =>
      run(options, async (context) => (await import('./commands/replay.ts')).replay(context, name, options)),
    );
  recordCommand(program.command('prove'))
    .description('Write a portable proof that a record was published, or dropped and why')
    .option('--out <file>', 'file to write (default: NAME-GENERATION-K.I.tlog-proof)')
    .action((id: string, options: CommonOptions & { out?: string }) =>
      run(options, async (context) => (await import('./commands/prove.ts')).prove(context, id, options)),
    );
}

function addDataCommands(program: Command, run: RunAction): void {
  program.commandsGroup('Take the data:');
  runCommand(program.command('export'))
    .description('Write the published records to files, with a card and signed provenance; or the tree of proofs')
    .addOption(new Option('--format <formats>', 'jsonl, csv or parquet; several with commas').default('jsonl'))
    .option('--out <dir>', 'folder for the data (default: ./NAME)')
    .option('--tlog <dir>', 'write the tree of proofs as a static tlog-tiles folder instead')
    .option('--guard-formulas', 'CSV: put an apostrophe before texts that a spreadsheet would run')
    .option('--key <file>', 'key that signs the provenance (default: LOG/keys/signer.pem)')
    .action((name: string, options: CommonOptions & ExportCommandOptions) =>
      run(options, async (context) => (await import('./commands/export.ts')).exportData(context, name, options)),
    );
  recordCommand(program.command('show'))
    .description("Tell a record's whole story: every step, what it measured and changed, what became of the record")
    .action((id: string, options: CommonOptions) =>
      run(options, async (context) => (await import('./commands/show.ts')).show(context, id)),
    );
  runCommand(program.command('rejected'))
    .description('List every rejected record with step, rule, measured value and limit; duplicates with the record that won')
    .action((name: string, options: CommonOptions) =>
      run(options, async (context) => (await import('./commands/rejected.ts')).rejected(context, name)),
    );
  runCommand(program.command('failed'))
    .description('List every failed record with step, error and original bytes')
    .action((name: string, options: CommonOptions) =>
      run(options, async (context) => (await import('./commands/failed.ts')).failed(context, name)),
    );
}

export interface ExportCommandOptions {
  readonly format: string;
  readonly out?: string;
  readonly tlog?: string;
  readonly guardFormulas?: boolean;
  readonly key?: string;
}

/** Options of every command; `withLog` is false for those that touch no log. */
function common(command: Command, withLog = true): Command {
  const log = new Option('--log <log>', 'log to work on: a folder, or kafka://HOST:PORT[,HOST:PORT]/NETWORK')
    .env('MIZU_LOG')
    .default(DEFAULT_LOG);
  return command
    .addOption(withLog ? log : log.hideHelp())
    .option('--json', 'print the result as one JSON object, as the last line of standard output')
    .option('-q, --quiet', 'no progress on standard error')
    .option('--verbose', 'debug log and stack traces on standard error')
    .exitOverride();
}

function workflowCommand(command: Command): Command {
  return common(command.argument('<file>', 'workflow file (YAML)'), ['run', 'deploy'].includes(command.name())).option(
    '--set <path=value>',
    'override a path of the workflow, such as accept=50 (repeatable)',
    (value: string, before: readonly string[]) => [...before, value],
    [],
  );
}

function runCommand(command: Command): Command {
  return common(command.argument('<name>', 'run: NAME, or NAME/GENERATION for an older one'));
}

function recordCommand(command: Command): Command {
  return common(command.argument('<record>', 'record id: NAME/GENERATION/k.i'));
}

function whole(low: number, high: number): (text: string) => number {
  return (text) => {
    const n = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
    if (!(n >= low && n <= high)) throw new InvalidArgumentError(`Expected a whole number from ${low} to ${high}.`);
    return n;
  };
}

function taskRange(text: string): TaskRange {
  const match = /^(\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(text);
  const from = Number(match?.[1]);
  const to = Number(match?.[2] ?? match?.[1]);
  if (match === null || to < from) throw new InvalidArgumentError('Expected A..B with A at most B, for example 0..9, or one task.');
  return { from, to };
}
