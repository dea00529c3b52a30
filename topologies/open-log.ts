/** Opens what `--log` names, and says where the keys and the local storage of such a log lie. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Log, Signer } from '#engine';
import { byteCount, MizuError, openKeyFile } from '#engine';
import { type EmbeddedLocalStorage, openEmbeddedLog, openLocalStorage } from '#connectors/embedded';
import { KAFKA_SCHEME, openKafkaLog, readKafkaCompression, readKafkaSecurity } from '#connectors/kafka';
import { DEFAULT_LOG } from './default-log.ts';

export interface OpenLogOptions {
  /** For commands that only look: nothing is written, and a log that is not there is not made. */
  readonly readOnly: boolean;
}

/** @throws USAGE for an address that names no log; NOT_FOUND for a folder to read that is not there; what the log throws. */
export async function openLog(address: string, options: OpenLogOptions): Promise<Log> {
  if (address.startsWith(KAFKA_SCHEME)) {
    const [security, compression] = [readKafkaSecurity(fromEnvironment), readKafkaCompression(fromEnvironment)];
    return openKafkaLog({ address, readOnly: options.readOnly, security, compression });
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(address)?.[1];
  if (scheme !== undefined) {
    throw new MizuError('USAGE', `--log ${address}: '${scheme}://' is no kind of log that Mizu knows`, {
      component: '--log',
      hint: `Give a folder, for example --log ${DEFAULT_LOG}, or a cluster: ${KAFKA_SCHEME}HOST:PORT/NETWORK.`,
    });
  }
  if (address === '')
    throw new MizuError('USAGE', '--log is empty', { component: '--log', hint: `Give a folder, for example --log ${DEFAULT_LOG}.` });
  try {
    return await openEmbeddedLog({ directory: address, readOnly: options.readOnly });
  } catch (error) {
    if (!options.readOnly || !(error instanceof MizuError) || error.code !== 'NOT_FOUND') throw error;
    throw new MizuError('NOT_FOUND', `There is no log in ${address}`, {
      cause: error,
      component: '--log',
      hint: 'Name the folder that the run was given with --log (or MIZU_LOG), or start a run: mizu run FILE.',
    });
  }
}

/** Where this machine keeps what belongs to a log and does not stand in it: keys, local storage. A folder of the log itself, if it has one. */
export function homeOf(log: Log): string {
  return homeOfAddress(log.address, log.network);
}

/** The same for a log that is not opened. */
export function homeOfAddress(address: string, network: string = address.split('/').at(-1) ?? ''): string {
  if (!address.startsWith(KAFKA_SCHEME)) return address;
  return join(fromEnvironment('MIZU_HOME') ?? join(homedir(), '.mizu'), network);
}

/** Local storage of the processes that work on a log. */
export function localDirectory(log: Log): string {
  return join(homeOf(log), 'local');
}

/** Memory for keys, for all processes that start with it. */
const INDEX_MEMORY = 'MIZU_INDEX_MEMORY';

/** Local storage in a folder, with as much memory for keys as the environment grants. @throws USAGE; FILE_UNWRITABLE. */
export function openStorage(directory: string): EmbeddedLocalStorage {
  const given = fromEnvironment(INDEX_MEMORY);
  if (given === undefined || given === '') return openLocalStorage(directory);
  const indexMemoryBytes = byteCount(given);
  if (indexMemoryBytes === undefined || !Number.isSafeInteger(indexMemoryBytes)) {
    throw new MizuError('USAGE', `${INDEX_MEMORY} is '${given.slice(0, 40)}', which is no size`, {
      component: INDEX_MEMORY,
      hint: 'Give a size such as 64MB or 1GiB; keys beyond it go to disk.',
    });
  }
  return openLocalStorage(directory, { indexMemoryBytes });
}

/** The key that signs results and checkpoints: the given file, or the log's own, which is made on first use. @throws KEY_INVALID. */
export function openSigner(log: Log, keyFile?: string): Signer {
  return openKeyFile(keyFileOf(log, keyFile));
}

export function keyFileOf(log: Log, keyFile?: string): string {
  return keyFile ?? join(homeOf(log), 'keys', 'signer.pem');
}

function fromEnvironment(name: string): string | undefined {
  return process.env[name];
}
