/** `node main.ts mizu|set KEYS FOLDER`: judges the same records by the product's dedup, with its local storage in a folder, or by a plain Set of texts, and prints what it took as one object. */
import { createHash } from 'node:crypto';
import { type CountedKeyIndex, openLocalStorage } from '#connectors/embedded';
import { globalStorage, type KeyedBatch, type KeyedSink } from '#engine';
import { compileFile, registry } from '#topologies';
import { openOps } from '../../../engine/datavm/program-loader.ts';
import { peakMemoryOf } from '../harness/process-tree.ts';
import { w1File, WORKFLOW_FILE } from '../w1/data.ts';
import { KEY_BYTES, type KeyBatch, keyOf, keyStream } from './key-stream.ts';

/** Records of a task. */
const BATCH = 2048;
/** The workflow names a file that exists; its records are not read. */
const ANY_RECORDS = 1000;
/** Keys that were never added, which the full index is asked about. */
const STRANGERS = 1_000_000;

export interface DedupPlay {
  readonly records: number;
  readonly duplicates: number;
  /** SHA-256 of the verdicts, a byte for each record. */
  readonly verdicts: string;
  readonly seconds: number;
  /** Resident memory before the first key, and at most. */
  readonly startBytes: number;
  readonly peakBytes: number;
  /** What the index holds, and the share of look-ups for strangers in which its tables on disk were asked in vain. */
  readonly index?: { readonly memory: number; readonly disk: number; readonly inVain?: number };
}

interface Judge {
  /** Sets a byte for each duplicate. */
  judge(batch: KeyBatch, verdicts: Uint8Array): void;
  end?(): Promise<DedupPlay['index']>;
}

/** W1's dedup as a step owner drives it. */
async function productJudge(expectedRecords: number, folder: string): Promise<Judge> {
  const storage = openLocalStorage(folder);
  let index: CountedKeyIndex | undefined;
  const local = { ...storage, openKeyIndex: (name: string, keys: number) => (index = storage.openKeyIndex(name, keys)) };
  const { program, data } = await compileFile(WORKFLOW_FILE, [`generate[0].read.path=${w1File(ANY_RECORDS)}`]);
  const stage = program.stages.find(({ kind }) => kind !== 'source');
  if (stage === undefined) throw new Error("W1's workflow has no keyed stage");
  const [op] = await openOps({ program, registry, storage: globalStorage(data.values()), local, expectedRecords }, stage);
  if (op === undefined || !('step' in op.executor)) throw new Error("W1's keyed stage does not begin with its dedup");
  const { executor } = op;
  return {
    judge(batch, verdicts) {
      executor.apply(executor.step(batchOf(batch), sinkTo(verdicts)));
    },
    async end() {
      const bytes = index?.bytes() ?? { memory: 0, disk: 0 };
      const inVain = index === undefined ? undefined : askStrangers(index, expectedRecords);
      await storage.close();
      return { ...bytes, ...(inVain === undefined ? {} : { inVain }) };
    },
  };
}

function batchOf({ k, keys, count }: KeyBatch): KeyedBatch {
  const unused = (): never => {
    throw new Error('dedup looks at keys alone');
  };
  return {
    k,
    rows: Uint32Array.from({ length: count }, (_, row) => row),
    candidate: (row) => row,
    key: (row) => keys.subarray(row * KEY_BYTES, (row + 1) * KEY_BYTES),
    digest: unused,
    record: unused,
    row: unused,
  };
}

function sinkTo(verdicts: Uint8Array): KeyedSink {
  return {
    duplicate: (row) => {
      verdicts[row] = 1;
    },
    reject: () => {},
    charge: () => {},
  };
}

/** Undefined while nothing is on disk. */
function askStrangers(index: CountedKeyIndex, from: number): number | undefined {
  const before = index.counters();
  const key = Buffer.alloc(KEY_BYTES);
  for (let n = 0; n < STRANGERS; n++) {
    keyOf(from + n, key, 0);
    index.get(key);
  }
  const { negatives, falsePositives } = index.counters();
  const inVain = falsePositives - before.falsePositives;
  const asked = negatives - before.negatives + inVain;
  return asked === 0 ? undefined : inVain / asked;
}

function setJudge(): Judge {
  const seen = new Set<string>();
  return {
    judge({ keys, count }, verdicts) {
      for (let row = 0; row < count; row++) {
        const key = keys.toString('latin1', row * KEY_BYTES, (row + 1) * KEY_BYTES);
        if (seen.has(key)) verdicts[row] = 1;
        else seen.add(key);
      }
    },
  };
}

const [side, count = '', folder = ''] = process.argv.slice(2);
const distinct = Number(count);
const judge = side === 'set' ? setJudge() : await productJudge(distinct, folder);
const startBytes = peakMemoryOf(process.pid);
const hash = createHash('sha256');
let [records, duplicates, milliseconds] = [0, 0, 0];
for (const batch of keyStream(distinct, BATCH)) {
  const verdicts = new Uint8Array(batch.count);
  const started = performance.now();
  judge.judge(batch, verdicts);
  milliseconds += performance.now() - started;
  records += batch.count;
  for (const verdict of verdicts) duplicates += verdict;
  hash.update(verdicts);
}
const peakBytes = peakMemoryOf(process.pid);
const index = await judge.end?.();
const play: DedupPlay = {
  records,
  duplicates,
  verdicts: hash.digest('hex'),
  seconds: milliseconds / 1000,
  startBytes,
  peakBytes,
  ...(index === undefined ? {} : { index }),
};
process.stdout.write(`${JSON.stringify(play)}\n`);
