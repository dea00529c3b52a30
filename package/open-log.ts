/** Opens the log that runs stand on: a folder, or a network on Kafka. */
import type { Log } from '#engine';
import { DEFAULT_LOG, openLog as openAddress } from '#topologies';

export interface OpenLogOptions {
  /** Nothing is written, and a log that is not there is not made; default: false. */
  readonly readOnly?: boolean;
}

/**
 * Whoever opens a log closes it: `await log.close()`. Keys that sign are made below the folder on first use.
 * @param address a folder, or `kafka://HOST:PORT[,HOST:PORT]/NETWORK`; default `./.mizu`. Security of a cluster comes from the environment, as for the command.
 * @throws MizuError USAGE for an address that names no log; NOT_FOUND for a folder to read that is not there; LOG_BUSY, LOG_UNAVAILABLE, LOG_CORRUPT.
 */
export function openLog(address: string = DEFAULT_LOG, options: OpenLogOptions = {}): Promise<Log> {
  return openAddress(address, { readOnly: options.readOnly ?? false });
}
