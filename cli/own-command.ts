/** How the user called this program, so that suggested commands can be copied and run. */
import { relative } from 'node:path';
import type { Context } from './context.ts';
import { DEFAULT_LOG } from '#workflows';

/** `mizu`, `npm run -s mizu --` or `node cli/main.ts`. */
export function ownName(): string {
  if (process.env['npm_package_name'] === 'mizu' && process.env['npm_lifecycle_event'] !== undefined) return 'npm run -s mizu --';
  const script = process.argv[1] ?? '';
  return script.endsWith('.ts') ? `node ${shellWord(relative(process.cwd(), script))}` : 'mizu';
}

/** A whole command on the same log; an empty log for commands that touch none. */
export function ownCommand(context: Pick<Context, 'log'>, ...words: readonly string[]): string {
  const log = context.log === '' || context.log === DEFAULT_LOG || context.log === process.env['MIZU_LOG'] ? [] : ['--log', context.log];
  return [ownName(), ...[...words, ...log].map(shellWord)].join(' ');
}

/** The command as it was given, to be pasted into the same shell in the same folder. */
export function sameCommand(): string {
  return [ownName(), ...process.argv.slice(2).map(shellWord)].join(' ');
}

/** Quoted for a POSIX shell where it needs to be. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
