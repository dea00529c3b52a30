/** `npm run vectors`: computes the outcomes of all inputs here, and writes topologies/determinism/vectors.json. A changed outcome is a changed format: look at the difference. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compute } from '../../topologies/determinism/families.ts';
import { VECTOR_INPUTS } from './inputs.ts';

export const VECTORS_FILE = join(import.meta.dirname, '../../topologies/determinism/vectors.json');

const ABOUT =
  'What every machine that is a node of Mizu computes, made here; documents/determinism.md says what the families mean. Written by npm run vectors.';

/** The text of the file. */
export async function vectorsText(): Promise<string> {
  const lines: string[] = [];
  for (const { family, name, input } of VECTOR_INPUTS)
    lines.push(JSON.stringify({ family, name, input, expected: await compute(family, input) }));
  return `{"about":${JSON.stringify(ABOUT)},"vectors":[\n${lines.join(',\n')}\n]}\n`;
}

if (import.meta.main) writeFileSync(VECTORS_FILE, await vectorsText());
