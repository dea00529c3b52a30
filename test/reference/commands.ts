/** `npm run reference`: documents/commands.md from the objects that parse the command line, and documents/operators.md from those that validate. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Argument, Command, Option } from 'commander';
import { registry } from '#topologies';
import { referenceMarkdown } from '../../cli/operator-reference.ts';
import { buildProgram } from '../../cli/program.ts';

const HEAD = `# Commands

Written by \`npm run reference\` from what parses the command line. A command shows its own with \`-h\`. Exit codes: 0 done, 1 the check or run failed, 2 the input was wrong, 130 interrupted.
`;

/** Options that nearly every command has, told once. */
const COMMON = ['--log', '--json', '--quiet', '--verbose'];

function isCommon(option: Option): boolean {
  return COMMON.includes(option.long ?? '');
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function optionRow(option: Option): string {
  const value: unknown = option.defaultValue;
  const shown = value === undefined || value === false || (Array.isArray(value) && value.length === 0) ? '' : `\`${String(value)}\``;
  const choices = option.argChoices === undefined ? '' : ` (${option.argChoices.join(', ')})`;
  const env = option.envVar === undefined ? '' : ` (or \`${option.envVar}\`)`;
  return `| \`${cell(option.flags)}\` | ${cell(option.description)}${choices}${env} | ${shown} |`;
}

function usage(command: Command): string {
  const argumentText = (argument: Argument): string => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`);
  return ['mizu', command.name(), ...command.registeredArguments.map(argumentText)].join(' ');
}

const table = (rows: readonly string[], ...head: readonly string[]): string[] =>
  rows.length === 0 ? [] : [`| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`, ...rows, ''];

function section(command: Command): string[] {
  const common = command.options.filter((option) => isCommon(option) && !option.hidden).map((option) => `\`${option.long}\``);
  const given = command.registeredArguments.map(
    (one) => `| \`${one.name()}\` | ${cell(one.description)} | ${one.defaultValue === undefined ? '' : `\`${one.defaultValue}\``} |`,
  );
  return [
    `## ${command.name()}`,
    '',
    `\`${usage(command)}\``,
    '',
    `${command.description()}.`,
    '',
    ...table(
      [...given, ...command.options.filter((option) => !isCommon(option) && !option.hidden).map(optionRow)],
      'argument or option',
      'meaning',
      'default',
    ),
    `Also: ${common.join(', ')}.`,
    '',
  ];
}

export function commandsMarkdown(): string {
  const program = buildProgram(async () => undefined);
  const commands = program.commands.filter((command) => command.name() !== 'help');
  const common = commands.flatMap((command) => command.options.filter((option) => isCommon(option) && !option.hidden));
  const once = COMMON.flatMap((name) => common.filter((option) => option.long === name).slice(0, 1));
  const list = commands.map((command) => `| [\`${command.name()}\`](#${command.name()}) | ${cell(command.description())} |`);
  return [
    HEAD,
    ...table(list, 'command', 'does'),
    'Options of nearly every command:',
    '',
    ...table(once.map(optionRow), 'option', 'meaning', 'default'),
    ...commands.flatMap(section),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

if (import.meta.main) {
  const documents = join(import.meta.dirname, '../../documents');
  writeFileSync(join(documents, 'commands.md'), commandsMarkdown());
  writeFileSync(join(documents, 'operators.md'), referenceMarkdown(registry));
}
