/** `mizu failed NAME`: every failed record with step, error and original bytes (law 5). */
import type { Context, Outcome } from '../context.ts';
import { listDropped } from './rejected.ts';

export function failed(context: Context, name: string): Promise<Outcome> {
  return listDropped(context, name, ['failed']);
}
