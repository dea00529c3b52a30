/**
 * Somebody else's topic that takes the verified records besides the run's own. They are written by whoever publishes them, in the commit that publishes
 * them (P3), so they are there exactly once, in the order in which they were published (laws 2 and 4).
 */
import { MizuError } from '../contract/errors.ts';
import type { Append, Log, SinkTopic } from '../contract/log.ts';
import type { Deployment } from '../contract/program.ts';

/** The topic that the settings name, looked at; undefined when they name none. @throws USAGE on a log that takes no sinks; what looking at it throws. */
export async function lookAtSink(
  log: Pick<Log, 'address' | 'sink'>,
  { publish }: Pick<Deployment, 'publish'>,
): Promise<SinkTopic | undefined> {
  if (publish === undefined) return undefined;
  if (log.sink !== undefined) return log.sink(publish.topic);
  throw new MizuError(
    'USAGE',
    `The log ${log.address} is no Kafka cluster, so there is no topic '${publish.topic}' beside it to publish into`,
    {
      component: 'publish.topic',
      hint: 'Records and progress are one transaction: use --log kafka://HOST:PORT/NETWORK, or leave `topic` out and export the run.',
    },
  );
}

/** @throws LOG_REFUSED when whoever opened the log may not write there. */
export function assertWritable({ publish }: Pick<Deployment, 'publish'>, sink: SinkTopic | undefined): void {
  if (publish === undefined || sink === undefined || sink.writable) return;
  throw new MizuError('LOG_REFUSED', `This user may not write to the topic '${publish.topic}', into which the workflow publishes`, {
    component: publish.topic,
    hint: `Grant the permission WRITE on topic ${publish.topic} to the user that connects here.`,
  });
}

export class Sink {
  private readonly topic: SinkTopic;
  private readonly name: string;
  /** Always the same one for a partition that publishes, so the order of its records stays. */
  private readonly partition: number;

  private constructor(topic: SinkTopic, name: string, publishing: number) {
    this.topic = topic;
    this.name = name;
    this.partition = publishing % topic.partitions;
  }

  /** For the records of one publishing partition; undefined without a sink. @throws what `lookAtSink` and `assertWritable` throw. */
  static async open(log: Log, deployment: Deployment, publishing: number): Promise<Sink | undefined> {
    const topic = await lookAtSink(log, deployment);
    assertWritable(deployment, topic);
    return topic && new Sink(topic, deployment.publish?.topic ?? '', publishing);
  }

  /** The same keys, values and headers again. @throws LOG_LIMIT for a record that the topic does not take; then nothing of its step is published. */
  appends(verified: readonly Append[]): Append[] {
    const { appendTo, entryBytes } = this.topic;
    // Records of a step share their headers.
    const beside = JSON.stringify(verified[0]?.headers ?? {}).length;
    return verified.map((append) => {
      const bytes = append.value.length + (append.key?.length ?? 0) + beside;
      if (bytes <= entryBytes) return { ...append, topic: appendTo, partition: this.partition };
      const id = Buffer.from(append.key ?? []).toString('utf8');
      throw new MizuError('LOG_LIMIT', `Record ${id} has ${bytes} bytes; the topic '${this.name}' takes ${entryBytes}`, {
        component: this.name,
        hint: 'Raise its max.message.bytes: the step is then published whole. Or publish fewer fields, which is a new generation.',
      });
    });
  }
}
