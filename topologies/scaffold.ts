/** Writes the starter workflow into a folder: a small one that works, to change. Never writes over a file. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { makeFolder, MizuError, messageOf, NAME_LIMIT, NAME_PATTERN, workflowJsonSchema } from '#kernel';
import { registry } from './registry.ts';

const STARTER = new URL('./starter/', import.meta.url);
const STARTER_NAME = 'starter';
const WORKFLOW_FILE = 'workflow.yaml';
/** Beside the workflow, so that an editor finds it wherever the folder goes; it knows the operators of the version that wrote it. */
const SCHEMA_FILE = 'workflow.schema.json';
const SCHEMA_LINE = `# yaml-language-server: $schema=${SCHEMA_FILE}\n`;

export interface Scaffold {
  /** Name of the workflow: that of the folder where it is fit for a name. */
  readonly name: string;
  /** Paths below the folder, in order. */
  readonly files: readonly string[];
}

/** @throws USAGE, naming every file that is there already; FILE_UNWRITABLE. */
export function scaffoldWorkflow(dir: string): Scaffold {
  const files = [...filesBelow(''), SCHEMA_FILE];
  const taken = files.filter((file) => existsSync(join(dir, file)));
  if (taken.length > 0) {
    throw new MizuError('USAGE', `${dir} holds ${taken.join(', ')} already; nothing was written`, {
      component: dir,
      hint: 'Name a folder that is new or empty: mizu init DIR.',
    });
  }
  const folder = basename(resolve(dir));
  const name = NAME_PATTERN.test(folder) && folder.length <= NAME_LIMIT ? folder : STARTER_NAME;
  try {
    for (const file of files) {
      const text = textOf(file, name);
      makeFolder(dirname(join(dir, file)));
      writeFileSync(join(dir, file), text, { flag: 'wx' });
    }
  } catch (error) {
    throw new MizuError('FILE_UNWRITABLE', `Cannot write into ${dir}: ${messageOf(error)}`, {
      cause: error,
      component: dir,
      hint: 'Choose a folder that this user may write, on a disk with room: mizu init DIR.',
    });
  }
  return { name, files };
}

function textOf(file: string, name: string): string {
  if (file === SCHEMA_FILE) return `${JSON.stringify(workflowJsonSchema(registry))}\n`;
  const text = renamed(readFileSync(new URL(file, STARTER), 'utf8'), name);
  return file === WORKFLOW_FILE ? SCHEMA_LINE + text : text;
}

function filesBelow(folder: string): string[] {
  return readdirSync(new URL(folder, STARTER))
    .sort()
    .flatMap((entry) => (statSync(new URL(folder + entry, STARTER)).isDirectory() ? filesBelow(`${folder}${entry}/`) : [folder + entry]));
}

/** The name as a value of `name:` and as an argument of a command. */
function renamed(text: string, name: string): string {
  return text.replaceAll(new RegExp(`(^name: |^mizu \\w+ )${STARTER_NAME}\\b`, 'gm'), (_all, before: string) => before + name);
}
