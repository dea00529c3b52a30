/** The Kafka log under the laws of the log. Every suite has a network of its own on a shared broker. */
import { randomUUID } from 'node:crypto';
import { openKafkaLog } from '#connectors/kafka';
import type { Log } from '#engine';
import { describeKafka } from '../support/kafka-broker.ts';
import { describeLog } from './log-laws.ts';

describeKafka('the log on Kafka', (broker) => {
  const opened: Log[] = [];

  async function openAt(address: string): Promise<Log> {
    const log = await openKafkaLog({ address });
    opened.push(log);
    return log;
  }

  describeLog('Kafka', {
    open: () => openAt(`kafka://${broker().brokers}/laws-${randomUUID()}`),
    reopen: (log) => openAt(log.address),
    async destroy() {
      for (const log of opened.splice(0)) await log.close();
    },
    histories: 8,
  });
});
