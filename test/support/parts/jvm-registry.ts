/** One schema registry of our own on loopback: Apicurio, which speaks the Confluent interface too. Its storage is memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './free-port.ts';
import { APICURIO_VERSION, registryJars } from './jvm-parts.ts';
import { startJvm } from './jvm-process.ts';

/** It uses about 260 MB in all. */
const HEAP_MB = 384;
/** Where Apicurio serves the Confluent interface. */
export const CONFLUENT_PATH = '/apis/ccompat/v7';
const PROBE_LIMIT_MS = 2_000;

export interface StartedRegistry {
  /** Base address of the Confluent interface. */
  readonly url: string;
  remove(): Promise<void>;
}

/** Fetches the registry if need be, and gives one that answers. @throws when Java or the files are missing, or with the end of its log. */
export async function startRegistry(): Promise<StartedRegistry> {
  const jars = await registryJars();
  const folder = mkdtempSync(join(tmpdir(), 'mizu-registry-'));
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}${CONFLUENT_PATH}`;
  try {
    const server = await startJvm({
      args: [
        ...[`-Xmx${HEAP_MB}m`, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', `-Djava.io.tmpdir=${folder}`],
        ...['-Dquarkus.http.host=127.0.0.1', `-Dquarkus.http.port=${port}`],
        ...['-jar', join(jars, `apicurio-registry-app-${APICURIO_VERSION}-runner.jar`)],
      ],
      log: join(folder, 'registry.log'),
      folder,
      ready: () => answers(`${url}/subjects`),
    });
    return {
      url,
      remove: async () => {
        await server.kill();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function answers(address: string): Promise<boolean> {
  return fetch(address, { signal: AbortSignal.timeout(PROBE_LIMIT_MS) }).then(
    (response) => response.ok,
    () => false,
  );
}
