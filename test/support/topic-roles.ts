/** The roles that handle a topic as a source, over a control log that is only folded, and a clock that only the test moves. */
import type { Deployment, Log, Program, SourceBounds } from '#engine';
import { compileWorkflow, RunTopics } from '#engine';
import type { Clock } from '../../engine/runtime/clock.ts';
import type { SourceContext } from '../../engine/runtime/source-context.ts';
import { registry } from '#topologies';
import { memoryHost } from './memory-host.ts';
import type { MemoryTopic } from './memory-topic.ts';

export interface TopicRun {
  readonly context: SourceContext & { readonly signal: AbortSignal };
  readonly open: () => Promise<MemoryTopic>;
}

/** @param step parameters of `read` beside topic and format. */
export async function compileTopic(
  step: string,
  size: number,
  rest = '',
): Promise<{ readonly program: Program; readonly deployment: Deployment }> {
  const text = `mizu: 1\nname: w\ntask: { size: ${size}, every: 100ms }\n${rest}generate:\n  - read: { topic: t, format: text${step} }\n`;
  return compileWorkflow({ text, file: 'w.yaml' }, memoryHost(), registry);
}

export async function topicRun(log: Log, topic: MemoryTopic, step: string, size: number): Promise<TopicRun> {
  const { program, deployment } = await compileTopic(step, size);
  const finite = step.includes('until');
  const partitions: SourceBounds['partitions'] = await Promise.all(
    Array.from({ length: topic.partitions }, async (_, p) => ({
      from: await topic.start(p),
      ...(finite ? { to: await topic.end(p) } : {}),
    })),
  );
  const topics = new RunTopics({ name: 'w', generation: 1 });
  await log.createTopic({ name: topics.source, partitions: 1, cleanup: 'keep' });
  await log.createTopic({ name: topics.control, partitions: 1, cleanup: 'keep' });
  const source = { topic: topic.name, partitions };
  return {
    context: { log, title: 'w/1', topics, program, deployment, source, signal: new AbortController().signal },
    open: async () => topic,
  };
}

export class TestClock implements Clock {
  private time = 0;
  private sleepers: { readonly until: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.time;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted || ms <= 0) resolve();
      else this.sleepers.push({ until: this.time + ms, wake: resolve });
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  advance(ms: number): void {
    this.time += ms;
    const due = this.sleepers.filter(({ until }) => until <= this.time);
    this.sleepers = this.sleepers.filter(({ until }) => until > this.time);
    for (const { wake } of due) wake();
  }
}
