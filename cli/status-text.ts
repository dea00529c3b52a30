/** Where a run stands, as people read it. */
import type { ListedRun, RunStatus } from '#engine';
import { FILES, TICK_MS } from '#engine';
import { bytesText, columns, grouped, oneLine, percent, secondsText, shortened } from './format.ts';
import { estimateText, inferenceRows, tokensText } from './inference-text.ts';

/** Longest text of a failure. */
const MESSAGE_LIMIT = 160;
const BY_ORCHESTRATOR = 'orchestrator: ';

/** One or two words for a table. */
export function stateWord({ state, mode }: Pick<ListedRun, 'state' | 'mode'>): string {
  if (state === 'finished' || state === 'deployed') return state;
  if (mode === 'stopped') return 'stopped';
  const word = mode === 'running' ? 'running' : mode;
  return state === 'running' ? word : mode === 'running' ? 'unfinished' : `${word}, unattended`;
}

/** One line, for logs that are followed. */
export function statusLine(found: RunStatus): string {
  const { totals, tasks } = found;
  const kept = `${grouped(totals.accepted)}${found.wanted === null ? '' : ` of ${grouped(found.wanted)}`} kept`;
  const work = `tasks ${grouped(tasks.published)} done, ${grouped(tasks.cut - tasks.published)} in work`;
  const parts = [
    stateWord(found),
    kept,
    `${grouped(totals.candidates)} candidates`,
    ...(found.inference === null ? [] : [tokensText(found.inference)]),
    work,
    rateText(found),
    `${found.members.length} members`,
  ];
  return [`${found.name}/${found.generation}`, parts.filter((part) => part !== '').join(' · ')].join(': ');
}

export function standing(found: RunStatus, strong: (text: string) => string): string {
  const parts = [
    strong(`${found.name}/${found.generation}`),
    columns(rowsOf(found), [], '  '),
    '',
    columns(stageRows(found), [1, 2, 3, 4, 5, 6, 7, 8, 9], '  '),
    ...(found.members.length === 0 ? [] : ['', columns(memberRows(found), [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], '  ')]),
    ...troubleLines(found),
    ...doubtLines(found),
  ];
  return parts.join('\n');
}

function rowsOf(found: RunStatus): string[][] {
  const { totals, tasks, source, signed } = found;
  const estimate = estimateText(found.estimate, found.inference?.currency ?? null);
  return [
    ['state', stateText(found)],
    ...modeRows(found),
    ...(found.opens === 0 ? [] : [['orchestrator', orchestratorText(found)]]),
    ...(found.opens === 0 ? [] : [['nodes', nodesText(found)]]),
    ['tasks', `${grouped(tasks.published)} done, ${grouped(tasks.cut - tasks.published)} in work`],
    ['candidates', candidatesText(found)],
    ['kept', `${grouped(totals.accepted)}${found.wanted === null ? '' : ` of ${grouped(found.wanted)}`}`],
    ['rejected', grouped(Object.values(totals.rejected).reduce((sum, n) => sum + n, 0))],
    ['duplicates', grouped(totals.duplicates)],
    ['failed', grouped(totals.failed)],
    ['cost', `${grouped(totals.gas)} gas, ${bytesText(totals.localBytes)} local, ${bytesText(totals.globalBytes)} global`],
    ...inferenceRows(found.inference),
    ...(estimate === '' ? [] : [['  to come', estimate]]),
    ...(signed === null ? [] : [['tree', `${grouped(signed)} leaves under the newest signed head`]]),
    ...(source === null ? [] : [['source', sourceText(source)]]),
    ...(found.waiting === null ? [] : [['waiting', found.waiting]]),
    ['program', found.program],
  ];
}

function stateText({ state, opens, name, source }: RunStatus): string {
  if (state === 'running') return 'running';
  if (source?.name === FILES) return `${state}: its source is not whole yet; the same \`mizu run\` copies the rest and goes on`;
  if (state === 'deployed') return 'deployed; no orchestrator has taken it yet: start `mizu up`, or `mizu run` its workflow';
  return opens > 0
    ? `unfinished: no orchestrator works on it; \`mizu up\` or the same \`mizu run\` goes on where it stopped`
    : `unfinished: ${name}`;
}

/** What was asked of the run, unless it is simply to run. */
function modeRows({ mode, modeBy, name, generation }: RunStatus): string[][] {
  if (mode === 'running') return [];
  const title = `${name}/${generation}`;
  const goOn = `\`mizu resume ${title}\` lets it go on`;
  if (mode === 'paused' && modeBy.startsWith(BY_ORCHESTRATOR)) {
    const reason = oneLine(shortened(modeBy.slice(BY_ORCHESTRATOR.length), MESSAGE_LIMIT));
    return [
      ['mode', `paused by the orchestrator itself: ${reason}`],
      ['', `nothing is lost; mend the cause, then ${goOn}`],
    ];
  }
  const by = oneLine(modeBy);
  if (mode === 'draining') return [['mode', `draining, asked by ${by}: nothing new is begun; it closes when what was begun is done`]];
  return [['mode', `${mode} by ${by}; ${goOn}`]];
}

function orchestratorText({ owner, opens, tick }: RunStatus): string {
  const which = opens === 1 ? '' : `; ${grouped(opens - 1)} took over before it came to this one`;
  return `${owner}, tick ${grouped(tick)}${which}`;
}

function nodesText({ members, employed }: RunStatus): string {
  const takers = members.filter(({ slots }) => slots > 0).length;
  const more = takers < employed ? '' : '; `mizu deploy --nodes N` employs more';
  return `${grouped(takers)} of at most ${grouped(employed)}${more}`;
}

function candidatesText(found: RunStatus): string {
  const { totals, limit } = found;
  const count = `${grouped(totals.candidates)}${limit === null ? '' : ` of at most ${grouped(limit)}`}`;
  return [count, rateText(found), leftText(found)].filter((part) => part !== '').join(', ');
}

function rateText({ rate }: RunStatus): string {
  if (rate === null) return '';
  return `${grouped(Math.round(rate.perSecond))} candidates/s${rate.trend === 'unknown' ? '' : `, ${rate.trend}`}`;
}

/** To the count that is wanted, at the share that was kept so far; or to the last candidate. */
function leftText({ rate, totals, wanted, limit, mode }: RunStatus): string {
  if (rate === null || rate.perSecond <= 0 || mode !== 'running') return '';
  const toLimit = limit === null ? Number.POSITIVE_INFINITY : limit - totals.candidates;
  const perKept = totals.accepted === 0 ? Number.POSITIVE_INFINITY : totals.candidates / totals.accepted;
  const toWanted = wanted === null ? Number.POSITIVE_INFINITY : (wanted - totals.accepted) * perKept;
  const left = Math.min(toLimit, toWanted);
  return Number.isFinite(left) && left > 0 ? `about ${secondsText(left / rate.perSecond)} left` : '';
}

function sourceText(source: NonNullable<RunStatus['source']>): string {
  const parts = [`${source.name}: ${grouped(source.cut)} records in tasks`];
  if (source.ahead !== null) parts.push(`${grouped(source.ahead)} copied and waiting`);
  if (source.behind !== null) parts.push(`${grouped(source.behind)} not taken yet`);
  return parts.join(', ');
}

function stageRows({ stages }: RunStatus): string[][] {
  const rows = stages.map(({ index, kind, partitions, done, working, lag, rejected, duplicates, failed, gas, bytes, oldest }) => [
    `${index} ${kind}${partitions === 1 ? '' : ` × ${partitions}`}`,
    grouped(done),
    grouped(working),
    grouped(lag),
    grouped(rejected),
    grouped(duplicates),
    grouped(failed),
    grouped(gas),
    bytesText(bytes.local),
    bytesText(bytes.global),
    oldest === null ? '' : `task ${oldest.k} waits ${ticksText(oldest.ticks)}`,
  ]);
  return [['stage', 'done', 'working', 'lag', 'rejected', 'duplicates', 'failed', 'gas', 'local', 'global', 'oldest'], ...rows];
}

function memberRows({ members }: RunStatus): string[][] {
  const rows = members.map((member) => [
    String(member.node),
    member.name,
    `${member.running}/${member.slots}`,
    grouped(member.accepted),
    percent(member.share, 1),
    String(member.weight),
    grouped(member.failures),
    member.lag === null ? '–' : grouped(member.lag),
    grouped(member.gas),
    bytesText(member.bytes.local),
    bytesText(member.bytes.global),
    member.heard === null ? '–' : `${ticksText(member.heard)} ago`,
    member.memory === null ? '–' : bytesText(member.memory),
    rolesText(member.roles),
  ]);
  const title = ['node', 'name', 'tasks/slots', 'done', 'share', 'weight', 'failures', 'lag', 'gas', 'local', 'global', 'heard', 'memory'];
  return [[...title, 'roles'], ...rows];
}

/** `1/0-3 2/0 checkpointer`: partitions in runs. */
function rolesText(roles: readonly string[]): string {
  const partitions = new Map<string, number[]>();
  const others: string[] = [];
  for (const role of roles) {
    const [stage = '', partition] = role.split('/');
    if (partition === undefined) others.push(role);
    else partitions.set(stage, [...(partitions.get(stage) ?? []), Number(partition)]);
  }
  const leases = [...partitions].map(([stage, numbers]) => `${stage}/${runsText(numbers.sort((a, b) => a - b))}`);
  return [...leases, ...others].join(' ');
}

function runsText(sorted: readonly number[]): string {
  const runs: string[] = [];
  for (let at = 0; at < sorted.length; ) {
    let to = at;
    while (sorted[to + 1] === (sorted[to] ?? 0) + 1) to++;
    runs.push(at === to ? String(sorted[at]) : `${sorted[at]}-${sorted[to]}`);
    at = to + 1;
  }
  return runs.join(',');
}

/** What makes the results themselves doubtful. Empty for a run in which nothing does. */
export function doubtLines({ name, generation, copies, unequal }: RunStatus): string[] {
  if (copies.unequal === 0) return [];
  const shown = unequal.map(
    ({ k, attempt, node, accepted }) =>
      `  task 0/${k}: attempt ${attempt} of node ${node} differs from the result of node ${accepted}, which counts`,
  );
  return [
    '',
    `Two results of one task must be equal; ${grouped(copies.unequal)} ${copies.unequal === 1 ? 'was' : 'were'} not, so a node executes something else than the program:`,
    ...shown,
    `  \`mizu replay ${name}/${generation} --tasks K..K\` shows whether the one that counts is right`,
  ];
}

function troubleLines({ losses, failures }: RunStatus): string[] {
  const reasons = { silent: 'was silent for too long', left: 'left', replaced: 'was replaced by another process of that name' };
  const lost = losses.map(({ node, name, reason, ago }) => `  node ${node} (${name}) ${reasons[reason]}, ${ticksText(ago)} ago`);
  const failed = failures.map(
    ({ k, attempt, node, code, step, message }) =>
      `  task 0/${k}, attempt ${attempt} on node ${node}${step === null ? '' : `, step ${step}`}: ${code}, ${oneLine(shortened(message, MESSAGE_LIMIT))}`,
  );
  return [
    ...(lost.length === 0 ? [] : ['', 'Members that are gone:', ...lost]),
    ...(failed.length === 0 ? [] : ['', 'Attempts that failed lately (another member tries again):', ...failed]),
  ];
}

function ticksText(ticks: number): string {
  return secondsText((ticks * TICK_MS) / 1_000);
}
