/**
 * What a deployment would do to a log, before anything is written (P12): a new run, nothing, other settings of the same program, or a
 * changed program with every difference. Control is made last, so a run that has it can be gone on with; what an
 * interrupted deployment left is gone on with if it is of the same program, and passed over if it is not.
 */
import type { DigestHex } from '../contract/ids.ts';
import { offset } from '../contract/ids.ts';
import type { Log } from '../contract/log.ts';
import type { Deployment, Program } from '../contract/program.ts';
import type { ProgramDiff, ValueChange } from '../compile/program-diff.ts';
import { diffDeployments, diffPrograms } from '../compile/program-diff.ts';
import { digestOf } from '../proof/jcs.ts';
import { parseStrictJson } from '../proof/json-parser.ts';
import { isWhole, readRun } from './read-run.ts';
import type { RunName } from './topics.ts';
import { listRuns, RunTopics } from './topics.ts';

export interface DeployPlan {
  /**
   * - `new`: no run has this name.
   * - `same`: the newest generation is this program under these settings.
   * - `compatible`: the same program under other settings.
   * - `changed`: another program: a new generation, if that is asked for.
   */
  readonly kind: 'new' | 'same' | 'compatible' | 'changed';
  /** The generation that holds the program afterwards. */
  readonly run: RunName;
  /** The newest generation now. */
  readonly current: (RunName & { readonly digest: DigestHex }) | undefined;
  /** What the settings will be. The schema id is kept: it stands in records that were published already. */
  readonly deployment: Deployment;
  /** Settings that differ, for every kind but `new`. */
  readonly settings: readonly ValueChange[];
  /** How the program differs; for `changed`. */
  readonly program: ProgramDiff | undefined;
}

/** Looks only. @throws LOG_CORRUPT. */
export async function planDeploy(
  log: Log,
  wanted: { readonly program: Program; readonly digest: DigestHex; readonly deployment: Deployment },
): Promise<DeployPlan> {
  const { name } = wanted.deployment;
  const latest = (await listRuns(log, name)).at(-1);
  if (latest === undefined) {
    const run = { name, generation: await freeGeneration(log, name, 1, wanted) };
    return { kind: 'new', run, current: undefined, deployment: wanted.deployment, settings: [], program: undefined };
  }
  // Version 0.1 made control first: such a run may lack the rest, and then it is this deployment that completes it.
  if (!(await isWhole(log, latest)))
    return { kind: 'new', run: latest, current: undefined, deployment: wanted.deployment, settings: [], program: undefined };
  const there = await readRun(log, name, latest.generation);
  const current = { ...latest, digest: there.digest };
  if (there.digest !== wanted.digest) {
    return {
      kind: 'changed',
      run: { name, generation: await freeGeneration(log, name, latest.generation + 1, wanted) },
      current,
      deployment: wanted.deployment,
      settings: diffDeployments(withoutSchema(there.deployment), withoutSchema(wanted.deployment)),
      program: diffPrograms(there.program, wanted.program),
    };
  }
  const { schemaId } = there.deployment;
  const deployment = { ...withoutSchema(wanted.deployment), ...(schemaId === undefined ? {} : { schemaId }) };
  const settings = diffDeployments(there.deployment, deployment);
  return { kind: settings.length === 0 ? 'same' : 'compatible', run: latest, current, deployment, settings, program: undefined };
}

function withoutSchema({ schemaId: _, ...deployment }: Deployment): Deployment {
  return deployment;
}

/** The first generation from `from` on that nobody began, or that was begun with the same program. */
async function freeGeneration(
  log: Log,
  name: string,
  from: number,
  wanted: { readonly program: Program; readonly digest: DigestHex },
): Promise<number> {
  let generation = from;
  while (await isAnothers(log, { name, generation }, wanted)) generation++;
  return generation;
}

async function isAnothers(log: Log, run: RunName, wanted: { readonly program: Program; readonly digest: DigestHex }): Promise<boolean> {
  const topics = new RunTopics(run);
  // A name may hold dots, so another run's topics may begin like these; their own names hold none.
  const there = (await log.topics(topics.prefix)).filter((topic) => !topic.name.slice(topics.prefix.length).includes('.'));
  if (there.length === 0) return false;
  if (there.some((topic) => topic.name === topics.program)) {
    const { entries } = await log.read(topics.program, 0, offset(0), { maxEntries: 1 });
    const [first] = entries;
    if (first !== undefined) return digestOf(parseStrictJson(first.value)) !== wanted.digest;
  }
  const specs = new Map(topics.specs(wanted.program).map((spec) => [spec.name, spec]));
  return there.some(({ name, partitions, cleanup }) => {
    const spec = specs.get(name);
    return spec === undefined || spec.partitions !== partitions || spec.cleanup !== cleanup;
  });
}
