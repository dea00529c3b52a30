/**
 * Suites against a real Kafka broker. All suites of a run share one broker, so each uses topic names of its own; a suite that ends its broker, or wants a
 * secured listener, asks for one of its own. The shared broker is KAFKA_BROKERS if that is set, a container where a Docker engine runs, else a Java
 * program; own brokers are Java programs.
 */
import { afterAll, beforeAll } from 'vitest';
import type { Security } from './parts/broker-security.ts';
import './quiet-client.ts';
import { askForPart, describePart, PART_START_LIMIT_MS } from './parts/describe-part.ts';
import { type StartedBroker, startBroker, type TestBroker } from './parts/jvm-broker.ts';

export type { TestBroker };

export interface BrokerNeeds {
  /** A broker for this suite alone, which it may stop, kill and start again. */
  readonly own?: true;
  /** Implies `own`. */
  readonly security?: Security;
  /** Settings added to server.properties. Imply `own`. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** A suite over a broker. `broker()` is there from the first hook or test on, not while the body runs. */
export function describeKafka(name: string, body: (broker: () => TestBroker) => void, needs: BrokerNeeds = {}): void {
  const own = needs.own === true || needs.security !== undefined || needs.properties !== undefined;
  describePart(name, own ? 'own-kafka' : 'kafka', 'kafka', () => {
    let broker: TestBroker | undefined;
    let ours: StartedBroker | undefined;
    beforeAll(async () => {
      if (own) ours = await startBroker(needs);
      broker = ours ?? (await sharedBroker());
    }, PART_START_LIMIT_MS);
    afterAll(() => ours?.remove());
    body(() => {
      if (broker === undefined) throw new Error('broker() was called while the suite is put together; call it in a hook or a test');
      return broker;
    });
  });
}

async function sharedBroker(): Promise<TestBroker> {
  const { brokers, missing } = await askForPart('start', 'kafka');
  if (typeof brokers !== 'string') throw new Error(`the shared broker did not start: ${missing}`);
  const notOurs = (): never => {
    throw new Error('this broker is shared with other suites: ask for one of your own by { own: true }');
  };
  return {
    brokers,
    port: Number(brokers.split(',')[0]?.split(':').at(-1)),
    get pid() {
      return notOurs();
    },
    secrets: { oauthToken: notOurs },
    log: notOurs,
    stop: notOurs,
    kill: notOurs,
    restart: notOurs,
  };
}
