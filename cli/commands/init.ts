/** `mizu init [DIR]`: a small workflow that works, to start from. */
import { join } from 'node:path';
import { scaffoldWorkflow } from '#workflows';
import type { Context, Outcome } from '../context.ts';
import { ownCommand } from '../own-command.ts';

export async function init(context: Context, dir: string): Promise<Outcome> {
  const { name, files } = scaffoldWorkflow(dir);
  const workflow = join(dir, 'workflow.yaml');
  await context.out.text(
    [
      `Wrote the workflow '${name}' into ${dir}:`,
      ...files.map((file) => `  ${file}`),
      '',
      'Next:',
      `  ${ownCommand(context, 'preview', workflow, '-n', '3')}`,
      `  ${ownCommand(context, 'run', workflow)}`,
      `  ${ownCommand(context, 'export', name, '--out', join(dir, 'data'))}`,
    ].join('\n'),
  );
  return { result: { ok: true, name, dir, files: [...files] } };
}
