/** `mizu compile FILE`: the program as text for a person, JSON for a program, or Mermaid for a page. */
import type { DescribeFormat, Json } from '#kernel';
import { describeProgram } from '#kernel';
import { compileFile } from '#workflows';
import type { Context, Outcome } from '../context.ts';
import type { SetOptions } from '../program.ts';

export async function compile(context: Context, file: string, options: SetOptions & { readonly format: DescribeFormat }): Promise<Outcome> {
  const compiled = await compileFile(file, options.set, process.env);
  await context.out.text(describeProgram(compiled, options.format));
  return { result: JSON.parse(describeProgram(compiled, 'json')) as { readonly [key: string]: Json } };
}
