/** Bad writes, each as a change of a run's log and as the finding that an audit must make of it. The run: `STREAMED`, under the name `w`. */
import { type FindingKind, RunTopics, type Signer, sha256, signerFromSeed, toHex, utf8 } from '#engine';
import type { ControlBody } from '../../engine/dispatch/control-entry.ts';
import { decodeControl, decodeResult, encodeSigned } from '../../engine/dispatch/signed-entry.ts';
import type { ResultBody } from '../../engine/dispatch/member-entry.ts';
import { decodeStateEntry, encodeStateEntry } from '../../engine/runtime/state-entry.ts';
import { text } from './log-tools.ts';
import type { Place, StoredEntry, Tamper } from './tamper.ts';

const topics = new RunTopics({ name: 'w', generation: 1 });

export type Plant = (tamper: Tamper, signer: Signer) => void | Promise<void>;

export const at = (topic: string, partition = 0): Place => ({ topic, partition });
/** The first partition of a topic that holds something. */
export const filled = (tamper: Tamper, topic: string): Place => tamper.places().find((place) => place.topic === topic) ?? at(topic);
export const again = (entries: StoredEntry[]): StoredEntry[] => [...entries, ...entries.slice(-1)];
const stored = (value: Uint8Array): StoredEntry => ({ key: undefined, value, headers: {} });
const controlEntry = (body: ControlBody, signer: Signer): StoredEntry => stored(encodeSigned('mizu-control-v1', 'w/1', body, signer));
const resultEntry = (body: ResultBody, signer: Signer): StoredEntry => stored(encodeSigned('mizu-result-v1', 'w/1', body, signer));
const bodies = (tamper: Tamper): ControlBody[] => tamper.read(at(topics.control)).map(({ value }) => decodeControl(value).body);
/** Puts an entry before the last one of control, which closes the run. */
const beforeClose = (tamper: Tamper, entry: StoredEntry): void =>
  tamper.change(at(topics.control), (entries) => [...entries.slice(0, -1), entry, ...entries.slice(-1)]);
const stepResult = (tamper: Tamper): ResultBody & { readonly type: 'step' } => {
  for (const { value } of tamper.read(at(topics.results))) {
    const { body } = decodeResult(value);
    if (body.type === 'step') return body;
  }
  throw new RangeError('the run has no step');
};
const STRANGER = signerFromSeed(new Uint8Array(32).fill(9));

export interface Planted {
  readonly name: string;
  readonly plant: Plant;
  readonly kind: FindingKind;
  readonly topic: string;
  readonly what: string | RegExp;
}

export const PLANTED: readonly Planted[] = [
  {
    name: 'a published record that is gone',
    plant: (tamper) => tamper.change(filled(tamper, topics.verified), (entries) => entries.slice(1)),
    kind: 'lost',
    topic: topics.verified,
    what: /of task \d+, 1 of 6 candidates came out nowhere: \d+\.\d+$/,
  },
  {
    name: 'a published record that stands twice',
    plant: (tamper) => tamper.change(filled(tamper, topics.verified), again),
    kind: 'duplicated',
    topic: topics.verified,
    what: /came out 2 times/,
  },
  {
    name: 'a record that came out in two topics',
    plant: (tamper) => {
      const from = filled(tamper, topics.rejected);
      const [entry] = tamper.read(from);
      tamper.change(at(topics.failed, from.partition), (entries) => (entry === undefined ? entries : [entry, ...entries]));
    },
    kind: 'duplicated',
    topic: topics.failed,
    what: /came out 2 times/,
  },
  {
    name: 'a record out of the order of tasks',
    plant: (tamper) => tamper.change(filled(tamper, topics.verified), (entries) => entries.toReversed()),
    kind: 'misplaced',
    topic: topics.verified,
    what: /stands after record/,
  },
  {
    name: 'a record that no task has',
    plant: (tamper) =>
      tamper.change(filled(tamper, topics.verified), (entries) => [
        ...entries,
        { ...(entries.at(-1) as StoredEntry), key: utf8('w/1/900.0') },
      ]),
    kind: 'zombie',
    topic: topics.verified,
    what: /record 900\.0 is out, and the run ended/,
  },
  {
    name: 'a drop under the name of another',
    plant: (tamper) => tamper.edit(filled(tamper, topics.duplicates), 0, () => ({ key: utf8('w/1/0.1') })),
    kind: 'unreadable',
    topic: topics.duplicates,
    what: /under the key of candidate 1/,
  },
  {
    name: 'a step of which only the delta is there',
    plant: (tamper) => {
      const place = at(topics.results);
      const drop = tamper.read(place).findIndex(({ value }) => decodeResult(value).body.type === 'step');
      tamper.change(place, (entries) => entries.filter((_, n) => n !== drop));
    },
    kind: 'torn',
    topic: topics.state(1),
    what: /has a delta and no result/,
  },
  {
    name: 'a step that is gone',
    plant: (tamper) => tamper.change(at(topics.state(1)), (entries) => entries.filter((_, n) => n !== 2)),
    kind: 'lost',
    topic: topics.state(1),
    what: 'step 1/0/2 is not there',
  },
  {
    name: 'a step that was done twice',
    plant: (tamper) => tamper.change(at(topics.state(1)), again),
    kind: 'duplicated',
    topic: topics.state(1),
    what: /has two deltas/,
  },
  {
    name: 'a delta behind a later one',
    plant: (tamper) =>
      tamper.change(at(topics.state(1)), (entries) => [
        ...entries,
        { ...(entries[0] as StoredEntry), value: encodeStateEntry({ ...decodeStateEntry((entries[0] as StoredEntry).value), k: 1 }) },
      ]),
    kind: 'misplaced',
    topic: topics.state(1),
    what: /step 1 stands after step/,
  },
  {
    name: 'leaves that are gone',
    plant: (tamper) => tamper.change(at(topics.proofs, 3), (entries) => entries.filter(({ key }) => text(key) !== '1/1/3/0')),
    kind: 'torn',
    topic: topics.state(1),
    what: 'step 1/1/3 has a delta and no leaves',
  },
  {
    name: 'leaves that stand twice',
    plant: (tamper) => tamper.change(at(topics.proofs, 2), again),
    kind: 'duplicated',
    topic: topics.proofs,
    what: /stands twice/,
  },
  {
    name: 'a key of proofs with two contents (law 12)',
    plant: (tamper) => {
      const other = tamper.read(at(topics.proofs, 1))[0] as StoredEntry;
      tamper.change(at(topics.proofs, 2), (entries) => [...entries, { ...(entries[0] as StoredEntry), value: other.value }]);
    },
    kind: 'conflicting',
    topic: topics.proofs,
    what: /holds 2 contents/,
  },
  {
    name: 'a frame that is gone',
    plant: (tamper) => tamper.change(at(topics.frames(1), 1), (entries) => entries.slice(1)),
    kind: 'torn',
    topic: topics.results,
    what: /of its 3 frames 2 are/,
  },
  {
    name: 'records that are gone from a frame',
    plant: (tamper) => {
      const place = at(topics.frames(1), 1);
      const entries = tamper.read(place);
      // Another partition's share of another task, under this one's name.
      tamper.write(
        place,
        entries.map((entry, n) => (n === 0 ? { ...entry, headers: { ...entry.headers, k: '77' } } : entry)),
      );
    },
    kind: 'misplaced',
    topic: topics.frames(1),
    what: /under the name of task 77/,
  },
  {
    name: 'a frame of which one part is there',
    plant: (tamper) => tamper.edit(at(topics.frames(1)), 0, ({ headers }) => ({ headers: { ...headers, part: '0', parts: '2' } })),
    kind: 'torn',
    topic: topics.frames(1),
    what: /there are 1 of 2 parts/,
  },
  {
    name: 'a frame that stands twice',
    plant: (tamper) => tamper.change(at(topics.frames(1)), again),
    kind: 'duplicated',
    topic: topics.frames(1),
    what: /stands twice/,
  },
  {
    name: 'a result of an attempt that was never assigned',
    plant: (tamper, signer) =>
      tamper.change(at(topics.results), (entries) => {
        const task = entries.map(({ value }) => decodeResult(value).body).find((body) => body.type === 'task');
        return task?.type === 'task' ? [...entries, resultEntry({ ...task, attempt: 7 }, signer)] : entries;
      }),
    kind: 'zombie',
    topic: topics.results,
    what: /attempt 7 of task 0 comes from node 0, to which control never assigned it/,
  },
  {
    name: 'a result that stands twice',
    plant: (tamper) =>
      tamper.change(at(topics.results), (entries) => {
        const task = entries.find(({ value }) => decodeResult(value).body.type === 'task');
        return task === undefined ? entries : [...entries, task];
      }),
    kind: 'duplicated',
    topic: topics.results,
    what: /stands twice/,
  },
  {
    name: 'a step under an epoch that control never gave',
    plant: (tamper, signer) => {
      const body = { ...stepResult(tamper), epoch: 5 };
      tamper.change(at(topics.results), (entries) => [...entries, resultEntry(body, signer)]);
    },
    kind: 'zombie',
    topic: topics.results,
    what: /under epoch 5, which control never gave it/,
  },
  {
    name: 'a step under an epoch that had ended',
    plant: (tamper, signer) => {
      const { stage, partition, node } = stepResult(tamper);
      beforeClose(tamper, controlEntry({ type: 'lease', stage, partition, epoch: 1, node }, signer));
      tamper.change(at(topics.results), (entries) => {
        const first = entries.findIndex(({ value }) => {
          const { body } = decodeResult(value);
          return body.type === 'step' && body.stage === stage && body.partition === partition && body.k === 1;
        });
        const { body } = decodeResult((entries[first] as StoredEntry).value);
        if (body.type !== 'step') throw new RangeError('a step was looked for');
        return entries.map((entry, n) => (n === first ? resultEntry({ ...body, epoch: 1 }, signer) : entry));
      });
    },
    kind: 'zombie',
    topic: topics.results,
    what: /under epoch 0 follows a step under epoch 1/,
  },
  {
    name: 'a result of somebody who was never admitted',
    plant: (tamper) => {
      const body = stepResult(tamper);
      tamper.change(at(topics.results), (entries) => [...entries, resultEntry(body, STRANGER)]);
    },
    kind: 'zombie',
    topic: topics.results,
    what: "'step' is signed by nobody that control admitted as node 0",
  },
  {
    name: 'a result in the place of another member',
    plant: (tamper, signer) => {
      const body = stepResult(tamper);
      tamper.change(at(topics.results, 4), (entries) => [...entries, resultEntry(body, signer)]);
    },
    kind: 'zombie',
    topic: topics.results,
    what: "node 0 wrote 'step' into the results of node 4",
  },
  {
    name: 'a word of a life that had ended',
    plant: (tamper, signer) => {
      const alive = { type: 'heartbeat', node: 0, running: 0, waiting: 0, memory: 1 } as const;
      const admitted = bodies(tamper).find((body) => body.type === 'admit');
      if (admitted?.type !== 'admit') throw new RangeError('nobody was admitted');
      beforeClose(tamper, controlEntry({ ...admitted, incarnation: 'second' }, signer));
      const lives = [admitted.incarnation, 'second', admitted.incarnation];
      tamper.change(at(topics.results), (entries) => [
        ...entries,
        ...lives.map((incarnation) => resultEntry({ ...alive, incarnation }, signer)),
      ]);
    },
    kind: 'zombie',
    topic: topics.results,
    what: /writes after a later life of node 0/,
  },
  {
    name: 'an orchestrator that writes on after another has opened the run',
    plant: (tamper, signer) => {
      const tick = bodies(tamper).findLast((body) => body.type === 'tick');
      beforeClose(tamper, controlEntry({ type: 'tick', tick: (tick?.type === 'tick' ? tick.tick : 0) + 1 }, signer));
      beforeClose(tamper, controlEntry({ type: 'open', owner: 'new:1', key: toHex(signer.publicKey) }, signer));
      beforeClose(tamper, controlEntry({ type: 'tick', tick: 1 }, signer));
    },
    kind: 'zombie',
    topic: topics.control,
    what: /tick 1 comes after tick/,
  },
  {
    name: 'an orchestrator under a key of its own',
    plant: (tamper) => beforeClose(tamper, controlEntry({ type: 'open', owner: 'evil:1', key: toHex(STRANGER.publicKey) }, STRANGER)),
    kind: 'zombie',
    topic: topics.control,
    what: /evil:1 opened the run under key/,
  },
  {
    name: 'an entry that no orchestrator signed',
    plant: (tamper) => beforeClose(tamper, controlEntry({ type: 'poison', k: 0, i: 0 }, STRANGER)),
    kind: 'zombie',
    topic: topics.control,
    what: "'poison' is not signed by the orchestrator that opened the run last",
  },
  {
    name: 'a lease under an epoch that was given before',
    plant: (tamper, signer) => beforeClose(tamper, controlEntry({ type: 'lease', stage: 1, partition: 0, epoch: 0, node: 0 }, signer)),
    kind: 'zombie',
    topic: topics.control,
    what: 'lease 1/0 is given under epoch 0, after epoch 0',
  },
  {
    name: 'control after its end',
    plant: (tamper, signer) =>
      tamper.change(at(topics.control), (entries) => [...entries, controlEntry({ type: 'poison', k: 0, i: 0 }, signer)]),
    kind: 'zombie',
    topic: topics.control,
    what: "'poison' was written after the run was closed",
  },
  {
    name: 'a task that is cut twice',
    plant: (tamper, signer) => {
      const cut = bodies(tamper).find((body) => body.type === 'cut');
      if (cut !== undefined) beforeClose(tamper, controlEntry(cut, signer));
    },
    kind: 'duplicated',
    topic: topics.control,
    what: 'task 0 is cut a second time',
  },
  {
    name: 'a cut that is gone',
    plant: (tamper) => tamper.change(at(topics.control), (entries) => entries.filter(({ value }) => !isCut(value, 1))),
    kind: 'lost',
    topic: topics.control,
    what: 'the cuts of tasks 1 to 1 are missing',
  },
  {
    name: 'a task that is accepted twice',
    plant: (tamper, signer) => {
      const accept = bodies(tamper).find((body) => body.type === 'accept');
      if (accept !== undefined) beforeClose(tamper, controlEntry(accept, signer));
    },
    kind: 'duplicated',
    topic: topics.control,
    what: 'task 0 is accepted again',
  },
  {
    name: 'an accepted result that is gone',
    plant: (tamper, signer) => {
      const place = at(topics.control);
      const accept = bodies(tamper).findIndex((body) => body.type === 'accept' && body.k === 2);
      const body = bodies(tamper)[accept];
      if (body?.type === 'accept') tamper.edit(place, accept, () => controlEntry({ ...body, result: toHex(sha256(utf8('none'))) }, signer));
    },
    kind: 'lost',
    topic: topics.control,
    what: /task 2 .*the result that it names is not there/,
  },
  {
    name: 'source records that were copied twice',
    plant: (tamper) => tamper.change(at(topics.source), again),
    kind: 'duplicated',
    topic: topics.source,
    what: /stand a second time/,
  },
  {
    name: 'a tile path with two contents (law 12)',
    plant: (tamper) => {
      const place = at(topics.tiles);
      tamper.change(place, (entries) => [...entries, { ...(entries[0] as StoredEntry), value: utf8('other') }]);
    },
    kind: 'conflicting',
    topic: topics.tiles,
    what: /holds 2 contents/,
  },
  {
    name: 'two heads of one size',
    plant: (tamper) =>
      tamper.change(at(topics.checkpoints), (entries) => [...entries, { ...(entries.at(-1) as StoredEntry), value: utf8('other') }]),
    kind: 'conflicting',
    topic: topics.checkpoints,
    what: /two different heads/,
  },
  {
    name: 'bytes that nobody writes',
    plant: (tamper) => tamper.edit(at(topics.state(1)), 1, () => ({ value: Uint8Array.of(1, 2, 3) })),
    kind: 'unreadable',
    topic: topics.state(1),
    what: /./,
  },
];

function isCut(value: Uint8Array, k: number): boolean {
  const { body } = decodeControl(value);
  return body.type === 'cut' && body.k === k;
}
