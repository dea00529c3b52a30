/** How often a filter takes a key for known that was never added, against the formula that it cites. */
import { KeyBloom } from '../../../connectors/embedded/key-bloom.ts';
import { KEY_BYTES, keyOf } from './key-stream.ts';

const BITS_PER_BYTE = 8;

export interface BloomRates {
  readonly measured: number;
  /** (1 − e^(−kn/m))^k for the filter's m bits, its k indices and its n keys. */
  readonly expected: number;
}

/** A filter with as many keys as it was sized for, and as many questions about others. */
export function bloomRates(keys: number): BloomRates {
  const bloom = new KeyBloom(keys);
  const key = Buffer.alloc(KEY_BYTES);
  for (let n = 0; n < keys; n++) {
    keyOf(n, key, 0);
    bloom.add(key);
  }
  let wrong = 0;
  for (let n = keys; n < 2 * keys; n++) {
    keyOf(n, key, 0);
    if (bloom.mayHave(key)) wrong++;
  }
  return { measured: wrong / keys, expected: expectedRate(bloom.bytes * BITS_PER_BYTE, bloom.capacity, keys) };
}

/** `sizedFor`: the keys from which the number of indices follows, rounded up. */
export function expectedRate(bits: number, sizedFor: number, keys: number): number {
  const indices = Math.ceil((bits / sizedFor) * Math.LN2);
  return (1 - Math.exp((-indices * keys) / bits)) ** indices;
}
