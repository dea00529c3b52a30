/**
 * The topics of one run, in one table: name, partitions, who writes, what is kept (P1–P3, law 12). Every topic is named
 * RUN.GENERATION.topic, so a run can be found, retained and deleted by its prefix.
 */
import type { Program } from '../contract/program.ts';
import type { Log, Retention, TopicSpec } from '../contract/log.ts';

/** Nodes that may take part in one run: one results partition each. */
export const NODE_LIMIT = 32;
/** Of the questions topic: one for each member's questions, and one for what gateways settled. */
const QUESTION_PARTITIONS = NODE_LIMIT + 1;
/** Partitions of the proofs topic: leaves of task k are in partition k mod this. */
export const PROOF_PARTITIONS = 8;

/** Partition of the questions topic in which gateways say how far they have come; those below it are the members'. */
export const SETTLED_PARTITION = QUESTION_PARTITIONS - 1;

export interface RunName {
  readonly name: string;
  readonly generation: number;
}

export class RunTopics {
  readonly prefix: string;

  constructor(run: RunName) {
    this.prefix = `${run.name}.${run.generation}.`;
  }

  get program() {
    return `${this.prefix}program`;
  }
  get source() {
    return `${this.prefix}source`;
  }
  get control() {
    return `${this.prefix}control`;
  }
  /** Snapshots of what control says (P14). */
  get controlSnapshots() {
    return `${this.prefix}control-snapshots`;
  }
  get results() {
    return `${this.prefix}results`;
  }
  /** What members and operators ask of the orchestrator. */
  get requests() {
    return `${this.prefix}requests`;
  }
  /** What members ask of the gateway: one partition each, and one for the gateway. */
  get questions() {
    return `${this.prefix}questions`;
  }
  get proofs() {
    return `${this.prefix}proofs`;
  }
  get attestations() {
    return `${this.prefix}attestations`;
  }
  get verified() {
    return `${this.prefix}verified`;
  }
  get rejected() {
    return `${this.prefix}rejected`;
  }
  get failed() {
    return `${this.prefix}failed`;
  }
  get duplicates() {
    return `${this.prefix}duplicates`;
  }
  get tiles() {
    return `${this.prefix}tiles`;
  }
  get checkpoints() {
    return `${this.prefix}checkpoints`;
  }
  /** Frames that enter a stage. */
  frames(stage: number) {
    return `${this.prefix}frames-${stage}`;
  }
  /** Deltas of a stage's keyed state. */
  state(stage: number) {
    return `${this.prefix}state-${stage}`;
  }
  /** Snapshots of a stage's keyed state (P14); a key is used again once no step needs what stood under it. */
  snapshots(stage: number) {
    return `${this.prefix}snapshots-${stage}`;
  }

  /**
   * Everything a program needs. With a retention, what leads from source to published records is forgotten together (P13): without frames there is no use for
   * deltas or answers. Control, proofs, snapshots and tiles stay: they say what was done, and let steps go on.
   *
   * In the order in which it is created; `control` comes last, so a run that has one is whole.
   */
  specs(program: Program, retention?: Retention): TopicSpec[] {
    const publishing = program.stages.at(-1);
    const partitions = publishing?.partitions ?? 1;
    const keyed = program.stages.filter((stage) => stage.kind !== 'source');
    const passing = { cleanup: 'keep', ...(retention === undefined ? {} : { retention }) } as const;
    return [
      { name: this.program, partitions: 1, cleanup: 'keep' },
      // A finite source is copied before the first task: what is not yet read of it must stay.
      { name: this.source, partitions: 1, ...(isLive(program) ? passing : { cleanup: 'keep' }) },
      { name: this.results, partitions: NODE_LIMIT, cleanup: 'keep' },
      { name: this.requests, partitions: 1, cleanup: 'keep' },
      ...(asksModels(program) ? [{ name: this.questions, partitions: QUESTION_PARTITIONS, cleanup: 'keep' } as const] : []),
      ...keyed.map((stage) => ({ name: this.frames(stage.index), partitions: stage.partitions, ...passing })),
      ...keyed.map((stage) => ({ name: this.state(stage.index), partitions: stage.partitions, ...passing })),
      ...keyed.map((stage) => ({ name: this.snapshots(stage.index), partitions: stage.partitions, cleanup: 'compact' }) as const),
      { name: this.proofs, partitions: PROOF_PARTITIONS, cleanup: 'compact' },
      { name: this.attestations, partitions: 1, ...passing },
      { name: this.verified, partitions, ...passing },
      { name: this.rejected, partitions, ...passing },
      { name: this.failed, partitions, ...passing },
      { name: this.duplicates, partitions, ...passing },
      { name: this.tiles, partitions: 1, cleanup: 'compact' },
      { name: this.checkpoints, partitions: 1, cleanup: 'keep' },
      { name: this.controlSnapshots, partitions: 1, cleanup: 'compact' },
      { name: this.control, partitions: 1, cleanup: 'keep' },
    ];
  }
}

/** Whether records still come while it runs. */
function isLive({ source }: Program): boolean {
  return source !== undefined && 'kind' in source && source.until === undefined;
}

/** Whether its tasks ask anything of the outside (law 7). */
export function asksModels(program: Program): boolean {
  return program.stages.some((stage) => stage.ops.some((op) => op.kind === 'external' || op.random !== undefined));
}

const CONTROL_PATTERN = /^(.+)\.(\d+)\.control$/;

/** All runs on a log, in order of name and generation. */
export async function listRuns(log: Log, name?: string): Promise<RunName[]> {
  const runs: RunName[] = [];
  for (const topic of await log.topics(name === undefined ? '' : `${name}.`)) {
    const match = CONTROL_PATTERN.exec(topic.name);
    if (match?.[1] !== undefined && (name === undefined || match[1] === name)) runs.push({ name: match[1], generation: Number(match[2]) });
  }
  return runs.sort((a, b) => (a.name === b.name ? a.generation - b.generation : a.name < b.name ? -1 : 1));
}
