/** What a scraper may rely on: the text parses, counters only grow, series are bounded, health names what is missing. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { openEmbeddedLog } from '#connectors/embedded';
import { type Metrics, metricsMarkdown, openMetrics } from '#connectors/metrics';
import { type Log, MizuError, type RunEvent, type ServeEvent } from '#engine';
import { parseExposition, type Sample } from '../../../support/exposition.ts';
import { bytes, readAll, rejection } from '../../../support/log-tools.ts';
import { quickFolder } from '../../../support/run-support.ts';

const RUN = 'tickets/1';
const OPEN: Metrics[] = [];
afterEach(async () => {
  for (const metrics of OPEN.splice(0)) await metrics.close();
});

async function opened(http?: string, roles: readonly string[] = ['orchestrator', 'node']): Promise<Metrics> {
  const metrics = await openMetrics({ name: 'm1', roles, version: '1.2.3', http });
  OPEN.push(metrics);
  return metrics;
}

async function own(metrics: Metrics): Promise<readonly Sample[]> {
  return parseExposition(await metrics.text()).samples.filter(({ name }) => name.startsWith('mizu_'));
}

async function figure(metrics: Metrics, name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
  return (await own(metrics)).find(
    (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )?.value;
}

const serve = (metrics: Metrics, run = RUN): void => metrics.onEvent({ type: 'run', run, state: 'served' });
const tell = (metrics: Metrics, event: RunEvent, run = RUN): void => metrics.onEvent({ type: 'event', run, event });
const control = (cut: number, tick = cut): RunEvent => ({
  type: 'control',
  tick,
  mode: 'running',
  cut,
  low: 0,
  members: 2,
  checkpointer: true,
  gateway: false,
});
function progress(accepted: number, rejected: Readonly<Record<string, number>> = {}): RunEvent {
  const totals = {
    candidates: accepted,
    accepted,
    corrected: 0,
    duplicates: 0,
    failed: 0,
    rejected,
    gas: 0,
    localBytes: 0,
    globalBytes: 0,
  };
  return { type: 'progress', progress: { totals, cut: accepted, published: accepted, missing: 0 } };
}

/** Any event that the engine may tell of a run. */
const EVENT: fc.Arbitrary<RunEvent> = fc.oneof(
  fc.record({ type: fc.constant('orchestrator' as const), state: fc.constantFrom('standby' as const, 'active' as const) }),
  fc.record({ n: fc.nat(100), step: fc.constantFrom('length', 'dedup') }).map(({ n, step }) => progress(n, { [step]: n })),
  fc.nat(1_000).map((n) => control(n)),
  fc.record({ type: fc.constant('joined' as const), node: fc.nat(31) }),
  fc.constant<RunEvent>({ type: 'waiting' }),
  fc.record({ type: fc.constant('lost' as const), reason: fc.constantFrom('silent', 'left', 'replaced') }),
  fc.record({
    type: fc.constant('attempt' as const),
    k: fc.nat(),
    attempt: fc.nat(),
    state: fc.constantFrom('started' as const, 'committed' as const, 'failed' as const, 'dropped' as const),
    code: fc.constantFrom(undefined, 'WORKER_DIED', 'NO_SUCH_CODE'),
    seconds: fc.double({ min: 0, max: 1e6, noNaN: true }),
  }),
  fc.record({
    type: fc.constant('lease' as const),
    name: fc.constantFrom('step/1/0', 'step/1/1', 'checkpointer', 'gateway'),
    held: fc.boolean(),
  }),
  fc.record({ type: fc.constant('steps' as const), stage: fc.constant(1), partition: fc.nat(1), next: fc.nat(1_000), count: fc.nat(16) }),
  fc.record({
    type: fc.constant('question' as const),
    outcome: fc.constantFrom('answered' as const, 'unanswered' as const, 'refused' as const),
    code: fc.constantFrom(undefined, 'UPSTREAM_UNREACHABLE'),
    step: fc.constant('body'),
    model: fc.string(),
    seconds: fc.double({ min: 0, max: 1e6, noNaN: true }),
  }),
  fc.record({
    type: fc.constant('compared' as const),
    k: fc.nat(),
    attempt: fc.nat(),
    node: fc.nat(31),
    accepted: fc.nat(31),
    equal: fc.boolean(),
  }),
  fc.record({ type: fc.constant('worker-died' as const), reason: fc.string() }),
  fc.constant<RunEvent>({ type: 'failed', name: 'step/1/0', error: new MizuError('LOG_FENCED', 'gone') }),
);

describe('the metrics', () => {
  it('are text that a strict reader takes, whatever names runs, models and members have', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(EVENT, { maxLength: 30 }), fc.string({ minLength: 1 }), async (events, run) => {
        const metrics = await openMetrics({ name: 'a "quoted"\nname\\', roles: ['node'], version: '1' });
        serve(metrics, run);
        for (const event of events) tell(metrics, event, run);
        const { kinds, samples } = parseExposition(await metrics.text());
        for (const { name, labels } of samples) {
          const family = kinds.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
          expect(kinds.has(family), name).toBe(true);
          expect(labels['member']).toBe('a \\"quoted\\"\\nname\\\\');
        }
        await metrics.close();
      }),
      { numRuns: 40 },
    );
  });

  it('are counters that only grow, through take-overs of an orchestrator that counts on from an older mark', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(EVENT, { maxLength: 40 }), async (events) => {
        const metrics = await openMetrics({ name: 'm1', roles: ['node'], version: '1' });
        serve(metrics);
        const seen = new Map<string, number>();
        for (const event of events) {
          tell(metrics, event);
          const { kinds, samples } = parseExposition(await metrics.text());
          for (const { name, labels, value } of samples) {
            const counts = kinds.get(name) === 'counter' || kinds.get(name.replace(/_(bucket|sum|count)$/, '')) === 'histogram';
            if (!counts || !name.startsWith('mizu_')) continue;
            const series = `${name} ${JSON.stringify(labels)}`;
            expect(value, series).toBeGreaterThanOrEqual(seen.get(series) ?? 0);
            seen.set(series, value);
          }
        }
        await metrics.close();
      }),
      { numRuns: 25 },
    );
  });

  it('have a bounded number of series, however many runs, steps, models and codes there are', async () => {
    const metrics = await opened();
    const flood = (from: number, to: number): void => {
      for (let n = from; n < to; n++) {
        const run = `run-${n}/1`;
        serve(metrics, run);
        tell(metrics, progress(1, { [`step-${n}`]: 1 }), run);
        tell(metrics, { type: 'question', outcome: 'answered', step: 's', model: `model-${n}`, seconds: 1 }, run);
        tell(metrics, { type: 'attempt', k: n, attempt: n, state: 'failed', code: `CODE_${n}`, seconds: 1 }, run);
        metrics.onEvent({ type: 'run', run, state: 'closed' });
      }
    };
    flood(0, 400);
    const before = await own(metrics);
    flood(400, 800);
    const after = await own(metrics);
    expect(after.length).toBeLessThanOrEqual(before.length);
    expect(new Set(after.map(({ labels }) => labels['run'])).size).toBeLessThanOrEqual(53);
    expect(new Set(after.flatMap(({ labels }) => labels['code'] ?? []))).toEqual(new Set(['', 'other']));
    // The newest run is among them.
    expect(await figure(metrics, 'mizu_records_accepted_total', { run: 'run-799/1' })).toBe(1);
  });

  it('share one name when more runs are live than have a place', async () => {
    const metrics = await opened();
    for (let n = 0; n < 80; n++) {
      serve(metrics, `run-${n}/1`);
      tell(metrics, { type: 'worker-died', reason: 'x' }, `run-${n}/1`);
    }
    const deaths = (await own(metrics)).filter(({ name }) => name === 'mizu_worker_deaths_total');
    expect(deaths.length).toBeLessThanOrEqual(52);
    expect(deaths.reduce((sum, { value }) => sum + value, 0)).toBe(80);
    expect(deaths.find(({ labels }) => labels['run'] === 'other')?.value).toBeGreaterThan(20);
  });

  it('tell records only where the run is orchestrated', async () => {
    const metrics = await opened();
    serve(metrics);
    tell(metrics, { type: 'orchestrator', state: 'active' });
    tell(metrics, progress(7, { length: 3 }));
    expect(await figure(metrics, 'mizu_records_accepted_total', { run: RUN })).toBe(7);
    expect(await figure(metrics, 'mizu_records_rejected_total', { step: 'length' })).toBe(3);
    expect(await figure(metrics, 'mizu_orchestrator_active')).toBe(1);
    tell(metrics, { type: 'orchestrator', state: 'standby' });
    expect(await figure(metrics, 'mizu_records_accepted_total')).toBeUndefined();
    expect(await figure(metrics, 'mizu_orchestrator_active')).toBe(0);
  });

  it('tell the lag of the partitions that are held, and of no others', async () => {
    const metrics = await opened();
    serve(metrics);
    tell(metrics, { type: 'lease', name: 'step/1/0', held: true });
    tell(metrics, control(10));
    tell(metrics, { type: 'steps', stage: 1, partition: 0, next: 4, count: 4 });
    expect(await figure(metrics, 'mizu_step_lag_tasks', { stage: '1', partition: '0' })).toBe(6);
    tell(metrics, control(30));
    expect(await figure(metrics, 'mizu_step_lag_tasks')).toBe(26);
    expect(await figure(metrics, 'mizu_steps_committed_total', { partition: '0' })).toBe(4);
    tell(metrics, { type: 'lease', name: 'step/1/0', held: false });
    expect(await figure(metrics, 'mizu_step_lag_tasks')).toBeUndefined();
    expect(await figure(metrics, 'mizu_leases_held', { role: 'step' })).toBe(0);
  });

  it('are all in the document, which is made from their table', () => {
    expect(readFileSync(join(import.meta.dirname, '../../../../documents/metrics.md'), 'utf8')).toContain(`${metricsMarkdown()}\n`);
  });
});

describe('health over HTTP', () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  async function withLog(): Promise<Log> {
    const folder = quickFolder();
    folders.push(folder);
    return openEmbeddedLog({ directory: folder });
  }

  async function ready(metrics: Metrics): Promise<{ status: number; missing: string[]; body: Record<string, unknown> }> {
    const response = await fetch(`${metrics.address}/readyz`);
    const body = (await response.json()) as Record<string, unknown>;
    return { status: response.status, missing: body['missing'] as string[], body };
  }

  it('is ready once the log answers and every role has its place; what is missing is named', async () => {
    const metrics = await opened('127.0.0.1:0');
    expect(await ready(metrics)).toMatchObject({ status: 503, missing: ['log: it is not open yet'] });
    const log = await withLog();
    metrics.observe(log);
    expect(await ready(metrics)).toMatchObject({ status: 200, missing: [] });
    serve(metrics);
    expect((await ready(metrics)).missing).toEqual([`${RUN}: its orchestrator has not begun`, `${RUN}: the member has no place yet`]);
    tell(metrics, { type: 'orchestrator', state: 'standby' });
    tell(metrics, { type: 'joined', node: 3 });
    tell(metrics, { type: 'lease', name: 'gateway', held: true });
    expect(await ready(metrics)).toMatchObject({
      status: 200,
      body: { log: { reachable: true }, runs: { [RUN]: { orchestrator: 'standby', member: 'joined', node: 3, leases: ['gateway'] } } },
    });
    tell(metrics, { type: 'lost', reason: 'silent' });
    expect((await ready(metrics)).missing).toEqual([`${RUN}: the member lost its place and asks for another`]);
    metrics.onEvent({ type: 'trouble', run: RUN, error: new MizuError('KEY_INVALID', 'another key') });
    expect((await ready(metrics)).missing).toEqual([`${RUN}: another key`]);
    await log.close();
  });

  it('is not ready when the log is away or the process stops, and lives all the same until it failed', async () => {
    const metrics = await opened('127.0.0.1:0');
    const log = await withLog();
    let away = false;
    const weather: Log = {
      address: log.address,
      network: log.network,
      limits: log.limits,
      createTopic: (spec) => log.createTopic(spec),
      topics: async (prefix) => {
        if (away) throw new MizuError('LOG_UNAVAILABLE', 'no broker answers');
        return log.topics(prefix);
      },
      openWriter: (owner) => log.openWriter(owner),
      read: (topic, partition, from, options) => log.read(topic, partition, from, options),
      end: (topic, partition) => log.end(topic, partition),
      waitBeyond: (topic, partition, position, signal) => log.waitBeyond(topic, partition, position, signal),
      size: () => log.size(),
      close: () => log.close(),
    };
    metrics.observe(weather);
    expect((await ready(metrics)).status).toBe(200);
    away = true;
    metrics.observe(weather);
    expect(await ready(metrics)).toMatchObject({ status: 503, missing: ['log: no broker answers'], body: { log: { reachable: false } } });
    expect(
      parseExposition(await (await fetch(`${metrics.address}/metrics`)).text()).samples.find(({ name }) => name === 'mizu_ready')?.value,
    ).toBe(0);
    away = false;
    metrics.observe(weather);
    metrics.stopping();
    expect((await ready(metrics)).missing).toEqual(['the process is stopping']);
    expect((await fetch(`${metrics.address}/healthz`)).status).toBe(200);
    metrics.failed(new MizuError('DISK_FULL', 'no room'));
    const health = await fetch(`${metrics.address}/healthz`);
    expect({ status: health.status, ...((await health.json()) as object) }).toMatchObject({ status: 503, alive: false, reason: 'no room' });
    await log.close();
  });

  it('counts the commits of a log by run and role, and changes nothing of it', async () => {
    const metrics = await opened();
    const log = await withLog();
    const seen = metrics.observe(log);
    await seen.createTopic({ name: 't', partitions: 1, cleanup: 'keep' });
    for (const owner of [`${RUN}/node/3`, `${RUN}/node/3/ask`, `${RUN}/step/1/0`, 'something/else']) {
      const writer = await seen.openWriter(owner);
      const outcome = await writer.commit([{ topic: 't', partition: 0, key: bytes('k'), value: bytes('value') }]);
      expect(outcome.status).toBe('committed');
      await writer.waitVisible();
      await writer.close();
    }
    const refused = await seen.openWriter(`${RUN}/node/3`);
    expect((await refused.commit([{ topic: 'none', partition: 0, value: bytes('x') }])).status).toBe('aborted');
    for (const [run, role] of [
      [RUN, 'node'],
      [RUN, 'ask'],
      [RUN, 'step'],
      ['', 'other'],
    ] as const) {
      expect(await figure(metrics, 'mizu_commits_total', { run, role, outcome: 'committed' })).toBe(1);
      expect(await figure(metrics, 'mizu_log_written_bytes_total', { run, role })).toBe(6);
    }
    expect(await figure(metrics, 'mizu_commits_total', { role: 'node', outcome: 'aborted' })).toBe(1);
    expect(await figure(metrics, 'mizu_commit_seconds_count', { run: RUN, role: 'node' })).toBe(2);
    expect(await readAll(seen, 't', 0)).toEqual(await readAll(log, 't', 0));
    await log.close();
  });

  it('answers reads of its three paths only', async () => {
    const { address } = await opened('127.0.0.1:0');
    expect((await fetch(`${address}/metrics`)).headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect((await fetch(`${address}/other`)).status).toBe(404);
    expect((await fetch(`${address}/toString`)).status).toBe(404);
    expect((await fetch(`${address}/metrics`, { method: 'POST', body: 'x' })).status).toBe(405);
    const head = await fetch(`${address}/healthz`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it.each(['9464', 'localhost', 'localhost:', ':9464', 'a b:1', '127.0.0.1:70000', 'http://127.0.0.1:1'])(
    'refuses the address %j',
    async (http) => {
      expect(await rejection(openMetrics({ name: 'm', roles: [], version: '1', http }))).toMatchObject({
        code: 'USAGE',
        component: '--http',
      });
    },
  );

  it('says that a port is taken', async () => {
    const { address } = await opened('127.0.0.1:0');
    const http = (address ?? '').replace('http://', '');
    const error = await rejection(openMetrics({ name: 'm', roles: [], version: '1', http }));
    expect(error).toMatchObject({ code: 'USAGE', message: expect.stringContaining('EADDRINUSE') });
  });
});

describe('what is told of the process itself', () => {
  it('names version, member and Node, and gives the default metrics', async () => {
    const metrics = await opened();
    const { samples } = parseExposition(await metrics.text());
    expect(samples.find(({ name }) => name === 'mizu_build_info')?.labels).toEqual({
      version: '1.2.3',
      node: process.versions.node,
      member: 'm1',
    });
    for (const name of ['process_resident_memory_bytes', 'process_cpu_user_seconds_total', 'nodejs_eventloop_lag_p99_seconds'])
      expect(
        samples.some((sample) => sample.name === name),
        name,
      ).toBe(true);
  });

  it('takes every kind of event', async () => {
    const metrics = await opened();
    const events: ServeEvent[] = [
      { type: 'run', run: RUN, state: 'served' },
      { type: 'event', run: RUN, event: { type: 'tree', tasks: 64, size: 640 } },
      { type: 'trouble', run: '', error: new MizuError('LOG_UNAVAILABLE', 'away') },
    ];
    for (const event of events) metrics.onEvent(event);
    expect(await figure(metrics, 'mizu_tree_leaves')).toBe(640);
    expect(await figure(metrics, 'mizu_troubles_total', { code: 'LOG_UNAVAILABLE' })).toBe(1);
    expect(await figure(metrics, 'mizu_runs_served')).toBe(1);
    metrics.onEvent({ type: 'trouble', run: RUN, error: new MizuError('KEY_INVALID', 'another key') });
    expect(await figure(metrics, 'mizu_runs_served')).toBe(0);
  });
});
