/** Global storage of one program: the data sets it names, by digest. */
import { MizuError } from '../contract/errors.ts';
import type { DataSet, GlobalStorage } from '../contract/storage.ts';

export function globalStorage(data: Iterable<DataSet>): GlobalStorage {
  const sets = new Map<string, DataSet>();
  for (const set of data) sets.set(set.digest, set);
  return {
    data(digest) {
      const set = sets.get(digest);
      if (set === undefined)
        throw new MizuError('NOT_FOUND', `Data set ${digest.slice(0, 12)}… is named by the program and was not loaded`);
      return set;
    },
  };
}
