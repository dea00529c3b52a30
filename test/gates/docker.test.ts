/** docker/ against its rules, and each rule against a planted mistake. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../cli/program.ts';
import { type DockerTexts, dockerProblems, readCompose, roleCommands } from './docker-rules.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const TEXTS: DockerTexts = {
  compose: read('docker/compose.yaml'),
  prometheus: read('docker/prometheus.yml'),
  dockerfile: read('docker/Dockerfile'),
  dockerignore: read('.dockerignore'),
};

describe('docker/', () => {
  it('keeps its rules', () => {
    expect(dockerProblems(TEXTS)).toEqual([]);
  });

  it('holds a broker, a registry, every role, two nodes, and what watches them', () => {
    const services = Object.keys(readCompose(TEXTS.compose).services);
    expect(services).toEqual(['kafka', 'registry', 'orchestrator', 'node-1', 'node-2', 'gateway', 'checkpointer', 'prometheus']);
  });

  it('builds from files that are there', () => {
    for (const { build } of Object.values(readCompose(TEXTS.compose).services)) {
      if (build !== undefined) expect(existsSync(join(ROOT, 'docker', build.context, build.dockerfile))).toBe(true);
    }
    for (const line of TEXTS.dockerignore.split('\n').filter((line) => line.startsWith('!'))) {
      expect([line, existsSync(join(ROOT, line.slice(1)))]).toEqual([line, true]);
    }
  });

  it('gives commands that the program takes', async () => {
    const commands = [...roleCommands(readCompose(TEXTS.compose)).values()];
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands) {
      let chosen = 0;
      const program = buildProgram(async () => void chosen++);
      await program.parseAsync(command, { from: 'user' });
      expect([command, chosen]).toEqual([command, 1]);
    }
  });
});

describe('the rules of docker/', () => {
  /** [what is planted, in which file, what is replaced, by what, what must be reported] */
  const canaries: readonly (readonly [string, keyof DockerTexts, string | RegExp, string, string])[] = [
    ['an image without a version', 'compose', 'apache/kafka:4.4.0', 'apache/kafka:latest', 'not pinned'],
    ['an unknown key', 'compose', '    restart: unless-stopped\n    depends_on', '    restarts: always\n    depends_on', 'restarts'],
    [
      'a service without a healthcheck',
      'compose',
      /\n {4}healthcheck:\n {6}test: \[CMD, wget[\s\S]*?start_period: 10s\n/,
      '\n',
      'healthcheck',
    ],
    ['a need of no service', 'compose', 'registry: { condition', 'registri: { condition', 'registri'],
    ['a host port twice', 'compose', '127.0.0.1:9090:9090', '127.0.0.1:8081:9090', '8081 is taken'],
    ['a port open to everybody', 'compose', '127.0.0.1:9090:9090', '9090:9090', '127.0.0.1 only'],
    ['a volume that is not declared', 'compose', '["gateway-data:/data"]', '["gateway:/data"]', 'volume gateway is not declared'],
    ['an address of no service', 'compose', 'BOOTSTRAP_SERVERS: kafka:9092', 'BOOTSTRAP_SERVERS: broker:9092', 'address broker'],
    ['an id twice', 'compose', '--id, node-2', '--id, node-1', 'that of node-1'],
    ['another log', 'compose', '"kafka://kafka:9092/mizu", --roles, gateway', '"kafka://kafka:9092/other", --roles, gateway', 'two logs'],
    [
      'a healthcheck of another port',
      'compose',
      "'http://127.0.0.1:9464/healthz'",
      "'http://127.0.0.1:9465/healthz'",
      'does not ask port 9464',
    ],
    ['a role that is not scraped', 'prometheus', '          - node-2:9464\n', '', 'the roles are'],
    ['another key of Prometheus', 'prometheus', 'scrape_interval', 'scrape_intervall', 'scrape_intervall'],
    ['another base image', 'dockerfile', /FROM .*/, 'FROM node:latest', 'base image'],
    ['a program that runs as root', 'dockerfile', 'USER node', 'USER root', 'as root'],
    ['a copy that is left out', 'dockerignore', '!cli\n', '', 'copies cli'],
    ['a file that is let in for nothing', 'dockerignore', '!cli\n', '!cli\n!test\n', 'lets test in'],
  ];

  it.each(canaries)('report %s', (_what, file, from, to, report) => {
    const planted = TEXTS[file].replace(from, to);
    expect(planted).not.toBe(TEXTS[file]);
    expect(dockerProblems({ ...TEXTS, [file]: planted }).join('\n')).toContain(report);
  });
});
