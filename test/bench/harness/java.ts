/** Builds the Java part (Kafka Streams peer, topic tool) once for each state of its sources. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE } from '../w1/data.ts';

const SOURCES = join(import.meta.dirname, '../kafka-streams');

/** The classpath. @throws with Maven's words when it can't be built. */
export function javaClasspath(note: (text: string) => void): string {
  const folder = join(CACHE, `java-${sourceDigest()}`);
  if (!existsSync(folder)) {
    note('building the Kafka Streams peer (Maven)');
    const making = `${folder}.${process.pid}`;
    mkdirSync(CACHE, { recursive: true });
    const goals = ['package', 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${join(making, 'lib')}`];
    try {
      execFileSync('mvn', ['-q', '-B', '-f', join(SOURCES, 'pom.xml'), `-Dout=${making}`, '-DskipTests', ...goals], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      renameSync(making, folder);
    } finally {
      rmSync(making, { recursive: true, force: true });
    }
  }
  return `${join(folder, 'classes')}:${join(folder, 'lib')}/*`;
}

/** Version of Kafka Streams, as the build file pins it. */
export function streamsVersion(): string {
  return /<kafka\.version>([^<]+)</.exec(readFileSync(join(SOURCES, 'pom.xml'), 'utf8'))?.[1] ?? 'unknown';
}

function sourceDigest(): string {
  const hash = createHash('sha256');
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).toSorted();
  for (const file of files) {
    const path = join(SOURCES, file);
    if (statSync(path).isFile()) hash.update(file).update(readFileSync(path));
  }
  return hash.digest('hex').slice(0, 12);
}
