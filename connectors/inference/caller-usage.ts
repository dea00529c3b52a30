/**
 * What callers used, on the log: so that a limit of 24 hours outlives the process. Each new answer to a caller with `tokensPerDay` has an entry
 * `{caller, hour, tokens}` in the commit of the answer itself, so none is counted twice or forgotten. `hour` is by the gateway's clock, since 1970. It
 * decides who may ask, never what is answered, and is in no attestation.
 */
import { type Append, canonicalBytes, fromUtf8, type Log, MizuError, offset, parseStrictJson, utf8 } from '#engine';
import type { Callers } from './callers.ts';

/** An entry for tokens that this caller used now; none for a caller without a limit. */
export function usageEntry(topic: string, callers: Callers, caller: string, tokens: number): readonly Append[] {
  const hour = callers.use(caller, tokens);
  return hour === undefined ? [] : [{ topic, partition: 0, key: utf8(caller), value: canonicalBytes({ caller, hour, tokens }) }];
}

/** Counts what was used before. @throws LOG_CORRUPT for an entry that no gateway wrote. */
export async function rememberUsage(log: Log, topic: string, callers: Callers): Promise<void> {
  for (let from = offset(0); ; ) {
    const { entries, next } = await log.read(topic, 0, from);
    if (entries.length === 0) return;
    for (const { offset: at, value } of entries) {
      const used = usageOf(value);
      if (used === undefined) {
        throw new MizuError(
          'LOG_CORRUPT',
          `Entry ${at} of topic '${topic}' is '${fromUtf8(value).slice(0, 80)}', expected {caller, hour, tokens}`,
          {
            component: topic,
            hint: 'Only the gateway of this name writes there. Give the configuration another `name` to begin anew.',
          },
        );
      }
      callers.remember(used.caller, used.hour, used.tokens);
    }
    from = next;
  }
}

function usageOf(value: Uint8Array): { readonly caller: string; readonly hour: number; readonly tokens: number } | undefined {
  let json: unknown;
  try {
    json = parseStrictJson(value);
  } catch {
    return undefined;
  }
  if (typeof json !== 'object' || json === null || !('caller' in json) || !('hour' in json) || !('tokens' in json)) return undefined;
  const { caller, hour, tokens } = json;
  return typeof caller === 'string' && typeof hour === 'number' && typeof tokens === 'number' ? { caller, hour, tokens } : undefined;
}
