/**
 * Turns what the engine tells into metrics. State: per run, what the newest tick said and which partitions are held here. Totals of records are told
 * by the orchestrator, so only the active one shows them; the others forget what they showed when another takes over.
 */
import type { RunEvent, ServeEvent } from '#engine';
import { errorCode } from './error-code.ts';
import { Families } from './families.ts';
import type { MetricName } from './metric-table.ts';

interface RunState {
  /** Partitions held here, STAGE/PARTITION → steps committed; undefined before the first. */
  readonly steps: Map<string, number | undefined>;
  cut: number;
  /** When the last tick was seen, milliseconds of the process's clock. */
  tickAt: number;
}

type Event<T extends RunEvent['type']> = Extract<RunEvent, { readonly type: T }>;

const ORCHESTRATOR_ONLY: readonly MetricName[] = [
  'candidates',
  'accepted',
  'corrected',
  'rejected',
  'duplicates',
  'failed',
  'gas',
  'tokens',
  'tasksCut',
  'tasksPublished',
  'tasksInFlight',
];

export class RunMetrics {
  readonly families: Families;
  private readonly runs = new Map<string, RunState>();
  private served = 0;

  constructor(member: string) {
    this.families = new Families(member, () => this.measureSilence());
    this.families.set('runs', {}, 0);
  }

  take(event: ServeEvent): void {
    if (event.type === 'run') this.takeRun(event.run, event.state);
    else if (event.type === 'trouble') this.takeTrouble(event.run, event.error);
    else this.takeEvent(event.run, event.event);
  }

  /** Trouble ends the work on a run; another look at the log may begin it anew. */
  private takeTrouble(run: string, error: unknown): void {
    this.families.add('troubles', { run, code: errorCode(error) });
    if (this.runs.has(run)) this.takeRun(run, 'interrupted');
  }

  private takeRun(run: string, state: (ServeEvent & { readonly type: 'run' })['state']): void {
    this.served += state === 'served' ? 1 : -1;
    this.families.set('runs', {}, Math.max(0, this.served));
    if (state === 'served') {
      this.runs.set(run, { steps: new Map(), cut: 0, tickAt: performance.now() });
      this.families.set('joined', { run }, 0);
      this.families.set('orchestratorActive', { run }, 0);
      this.families.ended(run, false);
      return;
    }
    this.runs.delete(run);
    this.families.set('joined', { run }, 0);
    this.families.set('orchestratorActive', { run }, 0);
    this.families.clear(run, 'silence', 'stepLag', 'leasesHeld', 'members', 'attemptsRunning');
    this.families.ended(run, true);
  }

  private takeEvent(run: string, event: RunEvent): void {
    switch (event.type) {
      case 'orchestrator':
        this.families.set('orchestratorActive', { run }, event.state === 'active' ? 1 : 0);
        if (event.state === 'standby') this.families.clear(run, ...ORCHESTRATOR_ONLY);
        return;
      case 'progress':
        return this.takeProgress(run, event);
      case 'control':
        return this.takeControl(run, event);
      case 'joined':
        return this.families.set('joined', { run }, 1);
      case 'waiting':
        return this.families.set('joined', { run }, 0);
      case 'lost':
        this.families.set('joined', { run }, 0);
        return this.families.add('losses', { run, reason: event.reason });
      case 'compared':
        return this.families.add('compared', { run, outcome: event.equal ? 'equal' : 'unequal' });
      case 'attempt':
        return this.takeAttempt(run, event);
      case 'lease':
        return this.takeLease(run, event);
      case 'steps':
        return this.takeSteps(run, event);
      case 'tree':
        this.families.set('treeLeaves', { run }, event.size);
        return this.families.set('treeTasks', { run }, event.tasks);
      case 'question':
        return this.takeQuestion(run, event);
      case 'worker-died':
        return this.families.add('workerDeaths', { run });
      case 'failed':
        return this.families.add('failures', { run, role: roleOf(event.name), code: errorCode(event.error) });
    }
  }

  private takeProgress(run: string, { progress }: Event<'progress'>): void {
    const { families } = this;
    const { totals, cut, published } = progress;
    for (const name of ['candidates', 'accepted', 'corrected', 'duplicates', 'failed', 'gas'] as const)
      families.total(name, { run }, totals[name]);
    for (const [step, count] of Object.entries(totals.rejected)) families.total('rejected', { run, step }, count);
    for (const [step, { input, output }] of Object.entries(totals.usage ?? {})) {
      families.total('tokens', { run, step, direction: 'in' }, input);
      families.total('tokens', { run, step, direction: 'out' }, output);
    }
    families.total('tasksCut', { run }, cut);
    families.total('tasksPublished', { run }, published);
    families.set('tasksInFlight', { run }, cut - published);
  }

  private takeControl(run: string, event: Event<'control'>): void {
    const state = this.runs.get(run);
    if (state === undefined) return;
    state.cut = event.cut;
    state.tickAt = performance.now();
    this.families.total('ticks', { run }, event.tick);
    this.families.set('paused', { run }, event.mode === 'running' ? 0 : 1);
    this.families.set('members', { run }, event.members);
    for (const [name, next] of state.steps) if (next !== undefined) this.lag(run, name, event.cut - next);
  }

  private takeAttempt(run: string, { state, code, seconds }: Event<'attempt'>): void {
    const { families } = this;
    if (state === 'started') {
      families.add('attemptsStarted', { run });
      families.add('attemptsRunning', { run }, 1);
      return;
    }
    families.add('attemptsRunning', { run }, -1);
    families.add('attemptsEnded', { run, outcome: state, code: code ?? '' });
    families.observe('attemptSeconds', { run, outcome: state }, seconds);
  }

  private takeLease(run: string, { name, held }: Event<'lease'>): void {
    const role = roleOf(name);
    this.families.add('leaseChanges', { run, role, change: held ? 'gained' : 'lost' });
    this.families.add('leasesHeld', { run, role }, held ? 1 : -1);
    if (role !== 'step') return;
    const partition = name.slice('step/'.length);
    if (held) this.runs.get(run)?.steps.set(partition, undefined);
    else {
      this.runs.get(run)?.steps.delete(partition);
      this.families.remove('stepLag', { run, ...placeOf(partition) });
    }
  }

  private takeSteps(run: string, { stage, partition, next, count }: Event<'steps'>): void {
    const name = `${stage}/${partition}`;
    const state = this.runs.get(run);
    this.families.add('steps', { run, ...placeOf(name) }, count);
    if (!state?.steps.has(name)) return;
    state.steps.set(name, next);
    this.lag(run, name, state.cut - next);
  }

  private takeQuestion(run: string, { outcome, code, model, seconds }: Event<'question'>): void {
    this.families.add('questions', { run, model, outcome, code: code ?? '' });
    if (outcome === 'answered') this.families.observe('answerSeconds', { run, model }, seconds);
  }

  /** What was cut is known from ticks only, so a partition may be ahead of it for a moment. */
  private lag(run: string, name: string, tasks: number): void {
    this.families.set('stepLag', { run, ...placeOf(name) }, Math.max(0, tasks));
  }

  private measureSilence(): void {
    for (const [run, { tickAt }] of this.runs) this.families.set('silence', { run }, (performance.now() - tickAt) / 1000);
  }
}

/** `step/1/0` → `step`. */
export function roleOf(name: string): string {
  return name.split('/')[0] ?? name;
}

function placeOf(name: string): { readonly stage: string; readonly partition: string } {
  const [stage = '', partition = ''] = name.split('/');
  return { stage, partition };
}
