/** Runs that somebody changed on the log, with valid check sums of the storage: `verify` finds it without executing anything, and says where. */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  formatVkey,
  MizuError,
  noteKey,
  openKeyFile,
  type Signer,
  signerFromSeed,
  toHex,
  utf8,
  verifyRun,
  type VerifyReport,
} from '#engine';
import type { ControlBody } from '../../engine/dispatch/control-entry.ts';
import { decodeLeaves, encodeLeaves } from '../../engine/runtime/leaf-batch.ts';
import { decodeLeaf, encodeLeaf } from '../../engine/proof/leaf.ts';
import { dice } from '../support/dice.ts';
import {
  CHECKPOINTS,
  CONTROL,
  type ControlEdit,
  flipped,
  type Place,
  resignAll,
  resignControl,
  signedAs,
  type StoredEntry,
  Tamper,
  withTampered,
} from '../support/tamper.ts';
import { LONG, makeRun, type MadeRun, RUNS } from '../support/verify-support.ts';

const SEED = 20261124;
/** Byte flips of the property; each is a copy of a log and a whole verification. */
const FLIPS = 120;
const FLIPS_LIMIT_MS = 300_000;
/** Runs that use up their candidates: behind an exact count there are frames and leaves of tasks that came too late, which are of no tree. */
const ALL_COVERED = ['counted', 'streamed'];

const made = new Map<string, MadeRun>();
const runOf = (name: string): MadeRun => made.get(name) as MadeRun;
const STRANGER = signerFromSeed(new Uint8Array(32).fill(5));
let own: Signer;

beforeAll(async () => {
  for (const name of ['counted', 'streamed', 'reached'] as const) made.set(name, await makeRun(RUNS[name]));
  made.set('long', await makeRun(LONG));
  own = openKeyFile(join(runOf('long').directory, 'keys', 'signer.pem'));
});

type Change = (log: Tamper) => void;

/** What `verify` says of a changed run; the text of what it threw, where it could not even begin. */
async function findings(name: string, change: Change, verifierKey?: string): Promise<string[]> {
  return withTampered(runOf(name).directory, change, async (log, run) => {
    let report: VerifyReport;
    try {
      report = await verifyRun(log, await run(), { verifierKey });
    } catch (error) {
      expect(error).toBeInstanceOf(MizuError);
      const { code, message } = error as MizuError;
      expect(code).not.toBe('INTERNAL');
      return [`${code} ${message}`];
    }
    expect(report.ok).toBe(report.problems.length === 0);
    return report.problems.map(({ where, message }) => `${where}: ${message}`);
  });
}

const at = (topic: string, partition = 0): Place => ({ topic: `w.1.${topic}`, partition });
const keyOf = ({ key }: StoredEntry): string => Buffer.from(key ?? []).toString('utf8');
/** Changes the middle byte of the n-th entry. */
const flip =
  (place: Place, n = 0): Change =>
  (log) =>
    log.edit(place, n, ({ value }) => ({ value: flipped(value, Math.floor(value.length / 2)) }));
const without =
  (place: Place, n: number): Change =>
  (log) =>
    log.change(place, (entries) => entries.filter((_, index) => index !== (n < 0 ? entries.length + n : n)));

describe('one changed entry is found and named', () => {
  test.each<[string, string, Change, string]>([
    ['a leaf', 'counted', flip(at('proofs', 3)), 'task 0/3, block '],
    ['a published record', 'streamed', (log) => log.flip(at('verified'), 0, -1), 'task 2/0/2, block 0, op 2 (publish): the '],
    ['a schema id', 'streamed', (log) => log.flip(at('verified'), 0, 4), 'task 2/0/2, candidate 3: its schema id is 0, 1 was expected'],
    ['a rejected record', 'counted', (log) => log.flip(at('rejected'), 0, -1), '(publish): the '],
    ['a failed record', 'counted', (log) => log.flip(at('failed'), 0, -1), '(publish): the '],
    ['a duplicate', 'counted', (log) => log.flip(at('duplicates'), 0, -1), '(publish): the '],
    [
      'a frame of a task',
      'counted',
      (log) => flip(at('frames-1', 1), log.frameOf(at('frames-1', 1), 2))(log),
      'task 2, frame from 0 to partition 1, candidate 1: the record does not have the digest that its frame gives',
    ],
    ['a frame of a keyed stage', 'counted', (log) => flip(at('frames-2'), log.frameOf(at('frames-2'), 3))(log), 'task 3'],
    ['a delta of a state', 'counted', (log) => log.flip(at('state-1'), 0, -37), 'task 1/0/0, block 0, op 1 (once): the delta on the log'],
    ['the state that a delta leads to', 'counted', (log) => log.flip(at('state-1'), 0, -2), 'task 0 came to another state than the one'],
    ['a source record', 'streamed', (log) => log.flip(at('source'), 0, 10), 'task 0/0, block 0, op 0 (source): mismatch'],
    [
      'a source record that no task took',
      'counted',
      (log) =>
        log.change(at('source'), () => [{ key: undefined, value: Uint8Array.of(0, 0, 0, 1, 65), headers: { from: '0', count: '1' } }]),
      'w.1.source: 1 source records',
    ],
    ['a result', 'counted', flip(at('results'), 4), 'w.1.results, partition 0, offset 4'],
    ['a control entry', 'counted', flip(CONTROL, 12), 'w.1.control, offset 12'],
    ['a checkpoint', 'counted', flip(CHECKPOINTS), 'w.1.checkpoints, offset 0'],
    [
      'the header of a checkpoint',
      'counted',
      (log) => log.edit(CHECKPOINTS, 0, () => ({ headers: { size: '3' } })),
      'its header says 3 leaves',
    ],
    [
      'a hash tile',
      'counted',
      (log) =>
        log.change(at('tiles'), (entries) =>
          entries.map((entry) => (keyOf(entry) === 'tile/0/000' ? { ...entry, value: flipped(entry.value, 99) } : entry)),
        ),
      'tile/0/000: the tile file is not the one',
    ],
    [
      'an entry bundle',
      'counted',
      (log) =>
        log.change(at('tiles'), (entries) =>
          entries.map((entry) => (keyOf(entry) === 'tile/entries/000' ? { ...entry, value: flipped(entry.value, 99) } : entry)),
        ),
      'leaf 0: the proofs and tile/entries/000 hold different bytes',
    ],
    [
      'the program',
      'counted',
      (log) =>
        log.edit(at('program'), 0, ({ value }) => ({ value: utf8(Buffer.from(value).toString('utf8').replace('"seed":7', '"seed":8')) })),
      'the leaf belongs to another program',
    ],
    [
      'a list',
      'counted',
      (log) => log.edit(at('program'), 2, ({ value }) => ({ value: utf8(Buffer.from(value).toString('utf8').replace('lamp', 'lump')) })),
      'has other content than its digest says',
    ],
  ])('%s', async (_what, run, change, says) => {
    const found = await findings(run, change);
    expect(found.join('\n')).toContain(says);
  });

  test(`whichever byte of whichever entry is changed (seed ${SEED})`, { timeout: FLIPS_LIMIT_MS }, async () => {
    const draw = dice(SEED);
    const places = new Map(
      [...made]
        .filter(([name]) => ALL_COVERED.includes(name))
        .map(([name, { directory }]) => {
          const log = new Tamper(directory);
          const all = log.places().map((place) => ({ place, entries: log.read(place) }));
          log.close();
          return [name, all] as const;
        }),
    );
    const unseen: string[] = [];
    for (let n = 0; n < FLIPS; n++) {
      const name = [...places.keys()][draw(places.size)] as string;
      const all = places.get(name) ?? [];
      const { place, entries } = all[draw(all.length)] as (typeof all)[number];
      const index = draw(entries.length);
      const entry = entries[index] as StoredEntry;
      const part = entry.key !== undefined && draw(4) === 0 ? 'key' : 'value';
      const bytes = entry[part] ?? new Uint8Array(0);
      const byte = draw(bytes.length);
      if (isUncovered(place, entry, part, byte)) continue;
      const found = await findings(name, (log) => log.edit(place, index, () => ({ [part]: flipped(bytes, byte, 1 << draw(8)) })));
      if (found.length === 0)
        unseen.push(`${name}: ${part} of ${place.topic}/${place.partition}@${index}, byte ${byte} of ${bytes.length}`);
    }
    expect(unseen).toEqual([]);
  });
});

/** What no leaf commits to, as it decides no record: deployment settings (P5), and where in the frames a successor would begin to read. */
function isUncovered({ topic }: Place, entry: StoredEntry, part: string, byte: number): boolean {
  if (topic === 'w.1.program') return keyOf(entry) === 'deployment';
  if (!topic.startsWith('w.1.state-') || part !== 'value') return false;
  // Avro: k, then resumeAt, both varints.
  const kEnd = entry.value.findIndex((value) => value < 0x80);
  const resumeEnd = entry.value.findIndex((value, n) => n > kEnd && value < 0x80);
  return byte > kEnd && byte <= resumeEnd;
}

describe('entries that went, came or moved', () => {
  const swapTasks: Change = (log) =>
    log.change(at('verified'), (entries) => {
      const taskOf = (entry: StoredEntry): string => entry.headers['task'] ?? '';
      const other = entries.findIndex((entry) => taskOf(entry) !== taskOf(entries[0] as StoredEntry));
      return entries.map((entry, n) => (n === 0 ? (entries[other] as StoredEntry) : n === other ? (entries[0] as StoredEntry) : entry));
    });
  const swapValues: Change = (log) =>
    log.change(at('verified'), (entries) =>
      entries.map((entry, n) => (n < 2 ? { ...entry, value: (entries[1 - n] as StoredEntry).value } : entry)),
    );
  const added: Change = (log) =>
    log.change(at('verified'), (entries) => [...entries, { ...(entries.at(-1) as StoredEntry), key: utf8('w/1/9999.0') }]);

  test.each<[string, string, Change, string]>([
    ['a published record is gone', 'streamed', without(at('verified'), 0), '(publish): the '],
    ['the last published record is gone', 'streamed', without(at('verified'), -1), '(publish): the '],
    ['a rejected record is gone', 'streamed', without(at('rejected'), 0), '(publish): the '],
    ['a record was added behind the last', 'streamed', added, 'they hold records of task 9999'],
    ['two records of different tasks changed places', 'streamed', swapTasks, '(publish): the '],
    ['two records changed their names', 'streamed', swapValues, '(publish): the '],
    [
      'a failed record stands among the rejected ones',
      'streamed',
      (log) => {
        const moved = log.read(at('failed'));
        log.change(at('failed'), () => []);
        log.change(at('rejected'), (entries) => [...moved, ...entries]);
      },
      'stands among the rejected ones',
    ],
    ['leaves are gone', 'counted', without(at('proofs', 2), 0), 'leaves of task 2 are missing'],
    ['a frame is gone', 'counted', without(at('frames-1'), 1), 'unavailable: w.1.frames-1, partition 0'],
    ['a delta is gone', 'counted', without(at('state-1'), 1), 'w.1.state-1, partition 0, offset 1: the deltas are of task 2'],
    [
      'an accepted result is gone',
      'counted',
      (log) => log.change(at('results'), (entries) => entries.filter(({ value }) => !Buffer.from(value).includes('"type":"task"'))),
      'which is not on the log',
    ],
    ['a tile is gone', 'counted', without(at('tiles'), 0), 'the tile file is missing'],
    [
      'a tile was added',
      'counted',
      (log) => log.change(at('tiles'), (entries) => [...entries, { ...(entries[0] as StoredEntry), key: utf8('tile/0/777') }]),
      'tile/0/777: the tile file is of no signed tree',
    ],
    [
      'a tile has two contents',
      'counted',
      (log) => log.change(at('tiles'), (entries) => [...entries, { ...(entries[0] as StoredEntry), value: Uint8Array.of(1) }]),
      'has another content than at offset 0',
    ],
    ['the source is cut', 'streamed', without(at('source'), 0), 'unavailable: w.1.source, partition 0, records 0 to 6'],
    ['a data set is gone', 'counted', without(at('program'), 2), "program: data set 'words'"],
    ['the summary is gone', 'counted', without(CONTROL, -1), 'the run is not closed'],
    ['the end of control is gone', 'counted', (log) => log.change(CONTROL, (all) => all.slice(0, 8)), 'control never accepted a result'],
    [
      'what says the last task is gone',
      'counted',
      (log) => log.change(CONTROL, (entries) => entries.filter(({ value }) => !Buffer.from(value).includes('"type":"finish"'))),
      'the run is closed, and was never finished',
    ],
    ['nothing was ever signed', 'counted', without(CHECKPOINTS, 0), 'no signed checkpoint'],
  ])('%s', async (_what, run, change, says) => {
    expect((await findings(run, change)).join('\n')).toContain(says);
  });

  test('an entry that is missing in the storage itself is damage of the log', async () => {
    const found = await findings('counted', (log) => log.drop(at('verified'), 1));
    expect(found.join('\n')).toMatch(/entry 1 of w\.1\.verified\/0 is missing/);
  });
});

describe('who signed', () => {
  test('a run that somebody else signed again is refused by the key that the reader trusts', async () => {
    const { verifierKey } = runOf('counted').summary;
    const stranger = toHex(STRANGER.publicKey);
    const found = await findings('counted', (log) => resignAll(log, STRANGER), verifierKey);
    expect(found).toEqual([
      expect.stringContaining(`w.1.control, offset 0: an orchestrator opened the run under key ${stranger}`),
      expect.stringMatching(/^w\.1\.checkpoints, offset 0: No known key signed/),
      expect.stringContaining('no signed checkpoint under this key'),
    ]);
    // Without a key of the reader's own it is somebody's consistent run, and the report says whose.
    expect(await findings('counted', (log) => resignAll(log, STRANGER))).toEqual([]);
  });

  test('a second key that vouches for itself in the control log is named, even if the reader trusts none', async () => {
    const second = await findings('long', (log) =>
      resignControl(log, own, (body) => (body.type === 'open' ? [body, { ...body, key: toHex(STRANGER.publicKey) }] : [body])),
    );
    expect(second[0]).toContain('w.1.control, offset 1: an orchestrator opened the run under key');
  });

  test('a checkpoint under another key, of another run or of another network is refused by name', async () => {
    const change =
      (origin?: string, signer = own): Change =>
      (log) =>
        log.change(CHECKPOINTS, (entries) => entries.map((entry) => ({ ...entry, value: signedAs(entry.value, signer, origin) })));
    expect((await findings('long', change(undefined, STRANGER))).join('\n')).toContain(
      'w.1.checkpoints, offset 0: No known key signed this note',
    );
    expect((await findings('long', change('local/w/2'))).join('\n')).toContain("the checkpoint is of 'local/w/2', not of 'local/w/1'");
    expect((await findings('long', change('other/w/1'))).join('\n')).toContain("the checkpoint is of 'other/w/1', not of 'local/w/1'");
  });

  test('a verifier key of another run is named', async () => {
    const found = await findings('long', () => {}, formatVkey(noteKey('local/x/1', own.publicKey)));
    expect(found[0]).toBe("verifier key: it is the key of 'local/x/1'; the checkpoints of this run are of 'local/w/1'");
  });
});

describe('a tree that is not the whole one', () => {
  test('an old checkpoint presented as the newest is refused', async () => {
    const log = new Tamper(runOf('long').directory);
    expect(log.read(CHECKPOINTS)).toHaveLength(2);
    log.close();
    const { treeSize } = runOf('long').summary;
    expect((await findings('long', without(CHECKPOINTS, -1))).join('\n')).toMatch(
      new RegExp(`newest checkpoint signs \\d+ leaves, the log has ${treeSize}`),
    );
    const again = await findings('long', (tamper) => tamper.change(CHECKPOINTS, (entries) => [...entries, entries[0] as StoredEntry]));
    expect(again.join('\n')).toContain(`leaves was signed after one of ${treeSize}`);
  });

  test('a head in the middle that is no prefix of the tree is refused', async () => {
    const found = await findings('long', (log) =>
      log.edit(CHECKPOINTS, 0, ({ value }) => ({
        value: signedAs(
          Buffer.from(
            Buffer.from(value)
              .toString('utf8')
              .replace(/\n(\d+)\n[^\n]+\n/, `\n$1\n${Buffer.alloc(32, 7).toString('base64')}\n`),
          ),
          own,
        ),
      })),
    );
    expect(found.join('\n')).toMatch(/^w\.1\.checkpoints, offset 0: the checkpoint signs root 0707/);
  });

  test('a run that its own orchestrator ended too early is refused', async () => {
    const found = await findings('long', (log) =>
      resignControl(log, own, (body) => [body.type === 'finish' ? { ...body, last: 63 } : body]),
    );
    expect(found.join('\n')).toContain('the run says that it used up its 140 candidates, and 128 are in the tree');
    const signer = openKeyFile(join(runOf('reached').directory, 'keys', 'signer.pem'));
    const short = await findings('reached', (log) =>
      resignControl(log, signer, (body) => [body.type === 'finish' ? { ...body, last: body.last - 1 } : body]),
    );
    expect(short.join('\n')).toContain('the run says that it reached the exact count of 9, and ');
  });

  const atFive = (body: ControlBody): boolean => 'k' in body && body.k === 5;
  test.each<[string, ControlEdit, string]>([
    [
      'a cut of fewer candidates',
      (body) => [body.type === 'cut' && atFive(body) ? { ...body, count: 1 } : body],
      'task 0/5: its cut allots 1 candidates from 10 on; the program prescribes 2',
    ],
    [
      'a cut of other candidates',
      (body) => [body.type === 'cut' && atFive(body) ? { ...body, first: 0 } : body],
      'task 0/5: its cut allots 2 candidates from 0 on; the program prescribes 2 from 10 on',
    ],
    [
      'no accepted result',
      (body) => (body.type === 'accept' && atFive(body) ? [] : [body]),
      'task 0/5: control never accepted a result of it',
    ],
    [
      'another attempt',
      (body) => [body.type === 'accept' && atFive(body) ? { ...body, attempt: 1 } : body],
      'control accepted result 5/1/0 (task/attempt/node), which is not on the log',
    ],
    [
      'a result that nobody made',
      (body) => [body.type === 'accept' && atFive(body) ? { ...body, result: '0'.repeat(64) } : body],
      'control accepted another result of task 5',
    ],
    [
      'a poisoned candidate that was executed',
      (body) => (body.type === 'accept' && atFive(body) ? [{ type: 'poison', k: 5, i: 0 }, body] : [body]),
      'task 0/5, block 0, op 0 (source): it takes 2 candidates and fails 0; control says 2 and 1',
    ],
    [
      'a summary with another count',
      (body) => [body.type === 'close' ? { ...body, summary: { ...(body.summary as object), accepted: 3 } } : body],
      'summary: accepted: the run says 3',
    ],
  ])('an orchestrator that signs %s is refused', async (_what, edit, says) => {
    expect((await findings('long', (log) => resignControl(log, own, edit))).join('\n')).toContain(says);
  });

  test('a leaf that counts records away is refused, even if it is in the tree', async () => {
    const found = await findings('long', (log) =>
      log.edit(at('proofs', 1), 0, ({ value }) => {
        const [first, ...rest] = decodeLeaves(value);
        const leaf = decodeLeaf(first as Uint8Array);
        return { value: encodeLeaves([encodeLeaf({ ...leaf, counts: { ...leaf.counts, kept: leaf.counts.kept - 1 } }), ...rest]) };
      }),
    );
    expect(found[0]).toMatch(/task 0\/1, block 0, op 0 \(source\): in 2 is not kept 1/);
  });
});
