/** documents/kafka.md says what is: its variables are those that are read, its versions those that the tests run on. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KAFKA_VARIABLES } from '#connectors/kafka';
import { REGISTRY_VARIABLES } from '#connectors/registry';
import { APICURIO_VERSION, KAFKA_VERSION, POM } from '../support/parts/jvm-parts.ts';

const TEXT = readFileSync(join(import.meta.dirname, '../../documents/kafka.md'), 'utf8');

describe('the document on Kafka', () => {
  it('lists the variables that are read, and no others', () => {
    const rows = TEXT.split('\n').filter((line) => line.startsWith('| `MIZU_'));
    const expected = [...KAFKA_VARIABLES, ...REGISTRY_VARIABLES].map(
      ({ name, meaning, secret }) => `| \`${name}\` | ${meaning} | ${secret ? 'yes ' : ''}|`,
    );
    expect(rows).toEqual(expected);
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
