/**
 * Broker and registry as Java programs, fetched once from the user's Maven repositories: what the project's tests and benches run against where no
 * Docker engine is. Maven checks every file against the repository's checksum.
 */
import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder, madeOnce } from './made-once.ts';

export const KAFKA_VERSION = '4.4.0';
export const APICURIO_VERSION = '3.0.9';

/** Kafka 4 brokers need it (Apicurio 3.0 as well). */
const LEAST_JAVA = 17;
/** slf4j-api 1.7 comes with Kafka; without a binding of its generation the broker writes no log at all. */
const LOG4J_VERSION = '2.25.3';
/** Pinned, since each Maven picks another. 3.x also wants the parent descriptors of the registry's archive, which aren't published. */
const DEPENDENCY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:2.8';
const FETCH_LIMIT_MS = 10 * 60_000;

const run = promisify(execFile);

export const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>mizu.test</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>${LOG4J_VERSION}</version></dependency>
  </dependencies>
</project>
`;

/** The version line of the Java that would run. @throws when there is none, or only an older one. */
export async function javaVersion(): Promise<string> {
  const { stderr, stdout } = await run('java', ['-version']).catch((error: unknown) => {
    throw new Error(`no java of version ${LEAST_JAVA} or newer in PATH`, { cause: error });
  });
  const text = `${stderr}${stdout}`;
  const major = Number(/version "(\d+)/.exec(text)?.[1] ?? 0);
  if (major < LEAST_JAVA) throw new Error(`java in PATH is too old: ${text.split('\n')[0]}; version ${LEAST_JAVA} or newer is needed`);
  return text;
}

/** The folder of Kafka's jars. @throws when Java or Maven is missing, or nothing can be fetched. */
export async function kafkaJars(): Promise<string> {
  await javaVersion();
  return madeOnce(cacheFolder(), `kafka-${KAFKA_VERSION}`, async (folder) => {
    const pom = join(folder, 'pom.xml');
    writeFileSync(pom, POM);
    await maven(folder, ['-f', pom, `${DEPENDENCY_PLUGIN}:copy-dependencies`, '-DincludeScope=runtime', `-DoutputDirectory=${folder}`]);
  });
}

/** The folder of the unpacked registry, with its runner jar. @throws as `kafkaJars`. */
export async function registryJars(): Promise<string> {
  await javaVersion();
  return madeOnce(cacheFolder(), `apicurio-${APICURIO_VERSION}`, async (folder) => {
    const artifact = `io.apicurio:apicurio-registry-app:${APICURIO_VERSION}:tar.gz:all`;
    await maven(folder, [`${DEPENDENCY_PLUGIN}:copy`, `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`]);
    const archive = join(folder, `apicurio-registry-app-${APICURIO_VERSION}-all.tar.gz`);
    await run('tar', ['-xzf', archive, '-C', folder]);
    rmSync(archive);
  });
}

async function maven(folder: string, args: readonly string[]): Promise<void> {
  try {
    await run('mvn', ['-B', '-q', '--strict-checksums', ...args], { cwd: folder, timeout: FETCH_LIMIT_MS });
  } catch (error) {
    const failed = error as { code?: unknown; stdout?: string };
    if (failed.code === 'ENOENT') throw new Error('no mvn of Apache Maven in PATH to fetch it with', { cause: error });
    const said = failed.stdout?.split('\n').find((line) => line.includes('ERROR')) ?? String(error);
    throw new Error(`mvn could not fetch it: ${said.slice(0, 300)}`, { cause: error });
  }
}
