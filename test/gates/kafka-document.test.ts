/** documents/kafka.md says what is: its variables are those that are read, its versions those that the tests run on, its topics and their settings those that are made. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KAFKA_VARIABLES, TOPIC_SETTINGS } from '#connectors/kafka';
import { REGISTRY_VARIABLES } from '#connectors/registry';
import { compileWorkflow, RunTopics, type TopicSpec } from '#engine';
import { openExternal, registry } from '#topologies';
import { memoryHost } from '../support/memory-host.ts';
import { APICURIO_VERSION, KAFKA_VERSION, POM } from '../support/parts/jvm-parts.ts';

const TEXT = readFileSync(join(import.meta.dirname, '../../documents/kafka.md'), 'utf8');

const PARTITIONS = 7;
const ASKING = `mizu: 1
name: asking
models: { small: { url: "http://127.0.0.1:1/v1" } }
partitions: ${PARTITIONS}
budget: { candidates: 1 }
generate: [{ inference: { as: a, model: small, prompt: Hello } }]
`;

/** The cells of the table whose first heading is this. */
function tableAfter(first: string): string[][] {
  const lines = TEXT.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${first} |`)) + 2;
  const rows = lines.slice(
    start,
    lines.findIndex((line, at) => at > start && !line.startsWith('|')),
  );
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('the document on Kafka', () => {
  it('lists the variables that are read, and no others', () => {
    const rows = TEXT.split('\n').filter((line) => line.startsWith('| `MIZU_'));
    const expected = [...KAFKA_VARIABLES, ...REGISTRY_VARIABLES].map(
      ({ name, meaning, secret }) => `| \`${name}\` | ${meaning} | ${secret ? 'yes ' : ''}|`,
    );
    expect(rows).toEqual(expected);
  });

  it('names the begin of the variables for other clusters: none of the log is asked for them', async () => {
    const asked = new Set<string>();
    const env = (name: string): undefined => void asked.add(name);
    const open = openExternal({ address: 'kafka://own:9092/net' }, env);
    await expect(open({ name: 'n', topic: 't', url: 'kafka://' })).rejects.toMatchObject({ code: 'USAGE' });
    expect(asked.size).toBeGreaterThan(0);
    for (const name of asked) expect(KAFKA_VARIABLES.map((one) => one.name.replace('MIZU_KAFKA_', 'MIZU_SOURCE_'))).toContain(name);
    expect(TEXT).toContain('`MIZU_SOURCE_` in place of\n`MIZU_KAFKA_`');
  });

  it('lists the settings that topics get', () => {
    const kept = { name: 't', partitions: 1, cleanup: 'keep' } as const;
    const specs: TopicSpec[] = [kept, { ...kept, retention: { bytes: 1_000_000_000, ms: 86_400_000 } }, { ...kept, cleanup: 'compact' }];
    const written = TOPIC_SETTINGS.map(({ name, value, reason }) => {
      const values = specs.map((spec) => value(spec, 2)).map((text) => (text === undefined ? '' : `\`${text}\``));
      return [`\`${name}\``, ...values, reason];
    });
    expect(tableAfter('setting')).toEqual(written);
  });

  it('lists the topics of a run in the order in which they are made, with partitions, cleanup, retention and who may write them', async () => {
    const { program } = await compileWorkflow({ text: ASKING, file: 'workflow.yaml' }, memoryHost(), registry);
    const specs = new RunTopics({ name: 'n', generation: 1 }).specs(program, { ms: 60_000 });
    const rights = tableAfter('user').map(([user, topics]) => ({ user, topics: topics?.replaceAll('`', '').split(', ') ?? [] }));
    const made = specs.map(({ name, partitions, cleanup, ...rest }) => {
      const topic = name.slice('n.1.'.length).replace(/-\d+$/, '-STAGE');
      const writers = rights.filter(({ topics }) => topics.includes(topic) || topics.includes(topic.replace('STAGE', '*')));
      return { topic, partitions, cleanup, forgets: 'retention' in rest, writers: writers.map(({ user }) => user).sort() };
    });
    const listed = tableAfter('topic name').map(([topic = '', partitions = '', cleanup, forgets, writers = '', purpose = '']) => {
      expect(purpose.length, topic).toBeGreaterThan(10);
      return {
        topic: topic.replaceAll('`', ''),
        partitions: partitions.startsWith('of the ') ? PARTITIONS : Number(partitions),
        cleanup,
        forgets: forgets === 'forgets',
        writers: writers
          .split(', ')
          .map((user) => `\`${user}\``)
          .sort(),
      };
    });
    // A topic that is read to no end forgets its copy, a finite source does not.
    expect(listed.find(({ topic }) => topic === 'source')).toMatchObject({ forgets: false });
    expect(listed).toEqual(made);
  });

  it('names the versions that the tests run on, wherever it names one', () => {
    const fetched = /<dependencies>[\s\S]*<\/dependencies>/.exec(POM)?.[0];
    expect(TEXT).toContain(fetched);
    expect([...TEXT.matchAll(/apicurio-registry-app[:-](\d[\d.]*\d)|Apicurio (\d[\d.]*\d)/g)].map((match) => match[1] ?? match[2])).toEqual(
      Array.from({ length: 4 }, () => APICURIO_VERSION),
    );
    expect([...TEXT.matchAll(/(\d+\.\d+\.\d+) is what the tests run on/g)].map((match) => match[1])).toEqual([KAFKA_VERSION]);
  });
});
