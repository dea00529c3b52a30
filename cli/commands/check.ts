/** `mizu check FILE`: every problem of a workflow at once, or what it would do. */
import type { Json } from '#kernel';
import { formatProblems } from '#kernel';
import { compileFile } from '#workflows';
import type { Context, Outcome } from '../context.ts';
import { grouped } from '../format.ts';
import type { SetOptions } from '../program.ts';

export async function check(context: Context, file: string, options: SetOptions): Promise<Outcome> {
  const { program, digest, deployment, warnings } = await compileFile(file, options.set, process.env);
  const steps = program.stages.reduce((sum, stage) => sum + stage.ops.length, 0);
  if (warnings.length > 0)
    context.progress.note(`${formatProblems(warnings).replace(/problems?$/, (word) => word.replace('problem', 'warning'))}`);
  const target = program.accept === undefined ? 'every record that passes' : `exactly ${grouped(program.accept)} records`;
  await context.out.text(
    [
      `${file} is a valid workflow: ${deployment.name}`,
      `  program    ${digest}`,
      `  steps      ${steps} operations in ${program.stages.length} stages`,
      `  publishes  ${target}, fields ${program.published.map((field) => field.name).join(', ')}`,
    ].join('\n'),
  );
  return {
    result: {
      ok: true,
      file,
      name: deployment.name,
      program: digest,
      steps,
      stages: program.stages.length,
      warnings: warnings.map((problem): Json => ({ ...problem })),
    },
  };
}
