/** A public key as `--key` takes it. */
import { fromHex, MizuError } from '#engine';
import { oneLine } from './format.ts';

/** @param key hexadecimal. @throws KEY_INVALID. */
export function publicKey(key: string): { readonly hex: string; readonly bytes: Uint8Array } {
  if (/^[0-9a-f]{64}$/.test(key)) return { hex: key, bytes: fromHex(key) };
  throw new MizuError('KEY_INVALID', `'${oneLine(key.slice(0, 80))}' is no public key, expected 64 hexadecimal digits`, {
    component: '--key',
    hint: 'A gateway tells its key at GET /v1/key, a doctor prints it.',
  });
}
