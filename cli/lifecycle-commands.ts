/** The commands that deploy a workflow to running nodes and steer its run. */
import type { Command } from 'commander';
import type { KeyOption } from './ask-mode.ts';
import type { CommonOptions } from './context.ts';
import type { DeployCommandOptions } from './commands/deploy.ts';
import type { StatusOptions } from './commands/status.ts';
import type { StopOptions } from './commands/stop.ts';
import type { RunAction } from './program.ts';

/** Helpers of the program that these commands need, handed in so that neither file imports the other's values. */
export interface LifecycleTools {
  readonly workflowCommand: (command: Command) => Command;
  readonly runCommand: (command: Command) => Command;
  readonly common: (command: Command) => Command;
  readonly nodes: (text: string) => number;
  readonly nodeLimit: number;
}

const KEY = ['--key <file>', "the run's key (default: keys/signer.pem of the log)"] as const;

export function addLifecycleCommands(program: Command, run: RunAction, tools: LifecycleTools): void {
  program.commandsGroup('Steer it:');
  tools
    .workflowCommand(program.command('deploy'))
    .description('Put a workflow on the log for the nodes that serve it; says first what changes, and refuses a changed program by default')
    .option('--nodes <n>', `nodes to employ, 1 to ${tools.nodeLimit} (default: as the workflow says)`, tools.nodes)
    .option('--new-generation', 'start a changed program as a new generation; the old one drains')
    .option('--dry-run', 'only say what would change, after every check')
    .option('--key <file>', "the run's key (default: keys/signer.pem of the log, made on first use)")
    .action((file: string, options: CommonOptions & DeployCommandOptions) =>
      run(options, async (context) => (await import('./commands/deploy.ts')).deploy(context, file, options)),
    );
  tools
    .runCommand(program.command('pause'))
    .description('Give out no more tasks; what runs is finished')
    .option(...KEY)
    .action((name: string, options: CommonOptions & KeyOption) =>
      run(options, async (context) => (await import('./commands/pause.ts')).pause(context, name, options)),
    );
  tools
    .runCommand(program.command('resume'))
    .description('Let a paused, draining or stopped run go on')
    .option(...KEY)
    .action((name: string, options: CommonOptions & KeyOption) =>
      run(options, async (context) => (await import('./commands/resume.ts')).resume(context, name, options)),
    );
  tools
    .runCommand(program.command('stop'))
    .description('Let go of a run, to be resumed later; or end it')
    .option('--drain', 'end it: finish what was begun, publish it, close')
    .option('--wait', 'with --drain: wait until it is closed, and show what it came to')
    .option(...KEY)
    .action((name: string, options: CommonOptions & StopOptions) =>
      run(options, async (context) => (await import('./commands/stop.ts')).stop(context, name, options)),
    );
  tools
    .common(program.command('list').description('List the runs on a log'))
    .action((options: CommonOptions) => run(options, async (context) => (await import('./commands/list.ts')).list(context)));
  tools
    .runCommand(program.command('status'))
    .description('Show where a run stands: stages, members, speed, cost, failures; or what it came to')
    .option('--watch', 'show it again whenever the run moves, until it is finished or Ctrl-C')
    .option('--explain <task>', 'why a task, such as 0/17, or a keyed partition, such as 1/0, was given to whom')
    .action((name: string, options: CommonOptions & StatusOptions) =>
      run(options, async (context) => (await import('./commands/status.ts')).status(context, name, options)),
    );
}
