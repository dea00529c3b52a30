/** What a seed does to a network, and when: drawn before anything starts, so that it can be printed and played again. */
import { LOST_TICKS, TICK_MS } from '../../../engine/runtime/run-context.ts';
import { TAKEOVER_MS } from '../../../engine/runtime/serve-run.ts';
import { Random } from './random.ts';

export type LogKind = 'embedded' | 'kafka';
/** `counted`: a generator with dedup and an exact count. `filed`: a file with lines that can't be read. `topic`: a topic with records that can't. */
export type FlowKind = 'counted' | 'filed' | 'topic';

export const NODES = ['n1', 'n2', 'n3'] as const;
export const ACTORS = ['o1', 'o2', 'cp', ...NODES] as const;
export type ActorName = (typeof ACTORS)[number];

export type Fault =
  /** kill -9, and the same process again after `downMs`; `twice`: once more as soon as it is up again. */
  | { readonly type: 'kill'; readonly who: readonly ActorName[]; readonly downMs: number; readonly twice: boolean }
  /** kill -9 inside a transaction: the entries are with the broker, the request to commit them, as a node or as owner of a keyed partition, never comes. */
  | { readonly type: 'kill-inside'; readonly who: ActorName; readonly writer: 'node' | 'step'; readonly downMs: number }
  /** SIGSTOP for longer than a lease lasts, then SIGCONT: a zombie wakes up. */
  | { readonly type: 'freeze'; readonly who: ActorName; readonly ms: number }
  /** A second process under the same name, which is killed later. */
  | { readonly type: 'double'; readonly who: ActorName; readonly ms: number }
  /** More orchestrators at once, while the one at work stands still. */
  | { readonly type: 'rivals'; readonly ms: number }
  /** The process may write no file longer than some blocks: a full disk under its local storage (and, where that is a folder, under its log). On Kafka it must tell so. */
  | { readonly type: 'disk'; readonly who: ActorName; readonly ms: number }
  | { readonly type: 'broker'; readonly how: 'kill' | 'stop'; readonly downMs: number }
  /** Connections are reset in the middle of what they pass on. */
  | { readonly type: 'cut'; readonly times: number; readonly bytes: number }
  | { readonly type: 'slow'; readonly delayMs: number; readonly ms: number }
  /** Nothing is passed on: to both ends the network is silent. */
  | { readonly type: 'silence'; readonly ms: number };

export interface Plan {
  readonly seed: number;
  readonly log: LogKind;
  readonly flow: FlowKind;
  /** How many nodes take part. */
  readonly nodes: number;
  /** Control entries of an orchestrator long gone, written before the first process starts. */
  readonly oldEntries: number;
  /** A registry is named that nobody answers for: a deployment with it is refused, and what runs without it needs none. */
  readonly registryDown: boolean;
  readonly faults: readonly { readonly afterMs: number; readonly fault: Fault }[];
}

/** A zombie sleeps at least so long: it was declared lost, and its leases moved. */
const ZOMBIE_MS = (LOST_TICKS + 3) * TICK_MS;
const OLD_ENTRIES = 10_000;
/** Roughly what the return of a broker takes, and a process until it has a part of the work that a fault is about. */
const BROKER_START_MS = 3_000;
const MOMENT_MS = 5_000;
const FAULTS_LEAST = 4;
const FAULTS_MOST = 7;

export function planOf(seed: number, log: LogKind): Plan {
  const random = new Random(seed * 2 + (log === 'kafka' ? 1 : 0));
  const nodes = random.whole(2, 3);
  const actors = ACTORS.slice(0, 3 + nodes) as [ActorName, ...ActorName[]];
  const flow: FlowKind = log === 'embedded' ? random.pick(['counted', 'filed']) : random.pick(['counted', 'topic']);
  const oldEntries = random.chance(25) ? OLD_ENTRIES : 0;
  const registryDown = random.chance(25);
  const count = random.whole(FAULTS_LEAST, FAULTS_MOST);
  const faults = Array.from({ length: count }, () => ({ afterMs: random.whole(200, 2_500), fault: faultOf(random, log, actors) }));
  return { seed, log, flow, nodes, oldEntries, registryDown, faults };
}

function faultOf(random: Random, log: LogKind, actors: readonly [ActorName, ...ActorName[]]): Fault {
  const who = random.pick(actors);
  const node = random.pick(['n1', 'n2'] as const);
  const ms = random.whole(1_000, 4_000);
  const kinds =
    log === 'kafka'
      ? (['kill', 'kill', 'kill-inside', 'freeze', 'double', 'rivals', 'disk', 'broker', 'cut', 'slow', 'silence'] as const)
      : (['kill', 'kill', 'kill', 'freeze', 'freeze', 'double', 'rivals', 'disk'] as const);
  switch (random.pick(kinds)) {
    case 'kill': {
      const all = random.chance(15) ? actors : random.chance(25) ? ([who, random.pick(actors)] as const) : ([who] as const);
      return { type: 'kill', who: [...new Set(all)], downMs: random.whole(0, 3_000), twice: random.chance(35) };
    }
    case 'kill-inside':
      return { type: 'kill-inside', who: node, writer: random.pick(['node', 'step']), downMs: random.whole(0, 2_000) };
    case 'freeze':
      return { type: 'freeze', who, ms: ZOMBIE_MS + random.whole(0, 2_000) };
    case 'double':
      return { type: 'double', who: random.pick([node, 'cp']), ms };
    case 'rivals':
      return { type: 'rivals', ms: TAKEOVER_MS + ms };
    case 'disk':
      return { type: 'disk', who: node, ms };
    case 'broker':
      return { type: 'broker', how: random.pick(['kill', 'kill', 'stop']), downMs: random.whole(0, 3_000) };
    case 'cut':
      return { type: 'cut', times: random.whole(1, 6), bytes: random.whole(0, 60_000) };
    case 'slow':
      return { type: 'slow', delayMs: random.whole(20, 300), ms };
    case 'silence':
      return { type: 'silence', ms };
  }
}

/** What the faults of a plan are, in one word each; for a test that says which kinds its seeds hold. */
export function kindsOf({ flow, oldEntries, registryDown, faults }: Plan): readonly string[] {
  const kinds = faults.flatMap(({ fault }) => {
    if (fault.type === 'kill') return [...fault.who.map((who) => `kill ${ROLE_OF[who]}`), ...(fault.twice ? ['kill twice'] : [])];
    if (fault.type === 'kill-inside') return [`kill-inside ${fault.writer}`];
    return [fault.type === 'broker' ? `broker ${fault.how}` : fault.type];
  });
  return [...kinds, flow, ...(oldEntries > 0 ? ['old control'] : []), ...(registryDown ? ['registry down'] : [])];
}

/** The role that each plays. */
export const ROLE_OF: Readonly<Record<ActorName, string>> = {
  o1: 'orchestrator',
  o2: 'orchestrator',
  cp: 'checkpointer',
  n1: 'node',
  n2: 'node',
  n3: 'node',
};

/** How long faults take, one after the other, if nothing comes between. */
export function plannedMs(faults: Plan['faults']): number {
  return faults.reduce((sum, { afterMs, fault }) => sum + afterMs + durationMs(fault), 0);
}

function durationMs(fault: Fault): number {
  switch (fault.type) {
    case 'kill':
      return fault.downMs;
    case 'kill-inside':
      return MOMENT_MS + fault.downMs;
    case 'disk':
      return MOMENT_MS + fault.ms;
    case 'broker':
      return fault.downMs + BROKER_START_MS;
    case 'cut':
      return 0;
    default:
      return fault.ms;
  }
}

export function planText({ seed, log, flow, nodes, oldEntries, registryDown, faults }: Plan): string {
  const begin = `seed ${seed} on ${log}: ${flow}, ${nodes} nodes${oldEntries > 0 ? `, ${oldEntries} old control entries` : ''}${registryDown ? ', registry down' : ''}`;
  return [begin, ...faults.map(({ afterMs, fault: { type, ...rest } }) => `  +${afterMs} ms ${type} ${JSON.stringify(rest)}`)].join('\n');
}
