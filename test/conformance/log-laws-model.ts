/** The log against a plain model in memory: arrays of entries, filled from what the commits were told. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Append, Log, LogWriter } from '#engine';
import { committedOffsets, readAll } from '../support/log-tools.ts';
import type { LogAdapter } from './log-laws.ts';

const PARTITIONS = [
  ['alpha', 0],
  ['alpha', 1],
  ['beta', 0],
] as const;
const WRITERS = 3;

interface Plain {
  readonly offset: number;
  readonly key: string | undefined;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

const anAppend: fc.Arbitrary<Append> = fc
  .record({
    place: fc.constantFrom(...PARTITIONS),
    key: fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined }),
    value: fc.uint8Array({ maxLength: 200 }),
    headers: fc.dictionary(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }), fc.string({ unit: 'grapheme', maxLength: 6 }), {
      maxKeys: 2,
      noNullPrototype: true,
    }),
  })
  .map(({ place: [topic, partition], key, value, headers }) => ({ topic, partition, key, value, headers }));

/** What one writer does in turn; `take over` opens its owner anew through another handle. */
const aScript = fc.array(
  fc.oneof({ weight: 5, arbitrary: fc.array(anAppend, { maxLength: 6 }) }, { weight: 1, arbitrary: fc.constant('take over' as const) }),
  { maxLength: 6 },
);

export function describeModel(adapter: LogAdapter): void {
  describe('model', () => {
    it('several writers at once leave exactly what a plain model holds, in every handle', async () => {
      const history = fc.tuple(...Array.from({ length: WRITERS }, () => aScript));
      await fc.assert(
        fc.asyncProperty(history, async (scripts) => {
          const handles = await openPair(adapter);
          const model = new Map<string, Plain[]>();
          await Promise.all(scripts.map((script, n) => perform(handles, `writer-${n}`, script, model)));
          for (const [topic, partition] of PARTITIONS) {
            const expected = (model.get(`${topic}/${partition}`) ?? []).sort((a, b) => a.offset - b.offset);
            for (const log of handles) expect((await readAll(log, topic, partition)).map(plain)).toEqual(expected);
          }
          await adapter.destroy();
        }),
        { numRuns: adapter.histories },
      );
    });
  });
}

async function openPair(adapter: LogAdapter): Promise<readonly [Log, Log]> {
  const log = await adapter.open();
  await log.createTopic({ name: 'alpha', partitions: 2, cleanup: 'keep' });
  await log.createTopic({ name: 'beta', partitions: 1, cleanup: 'keep' });
  return [log, await adapter.reopen(log)];
}

async function perform(
  handles: readonly [Log, Log],
  owner: string,
  script: readonly (readonly Append[] | 'take over')[],
  model: Map<string, Plain[]>,
): Promise<void> {
  let [here, there] = handles;
  let writer: LogWriter = await here.openWriter(owner);
  for (const step of script) {
    if (step === 'take over') {
      [here, there] = [there, here];
      writer = await here.openWriter(owner);
      continue;
    }
    const offsets = committedOffsets(await writer.commit(step));
    for (const [n, append] of step.entries()) {
      const name = `${append.topic}/${append.partition}`;
      const entries = model.get(name) ?? [];
      entries.push(plain({ ...append, offset: offsets[n] ?? -1 }));
      model.set(name, entries);
    }
  }
  await writer.waitVisible();
}

function plain(entry: {
  readonly offset: number;
  readonly key?: Uint8Array | undefined;
  readonly value: Uint8Array;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}): Plain {
  return {
    offset: entry.offset,
    key: entry.key && Buffer.from(entry.key).toString('hex'),
    value: Buffer.from(entry.value).toString('hex'),
    headers: { ...entry.headers },
  };
}
