/**
 * What docker/ must hold to, as pure functions over its texts: no engine runs where the project is built, so this is what stands between a mistake in these
 * files and the first person who uses them. The schemas are strict and name only what is used: a new key is looked up in the specification, then added here.
 */
import { parse } from 'yaml';
import { z } from 'zod';

const DURATION = z.string().regex(/^\d+(ms|s|m)$/);
const HEALTHCHECK = z.strictObject({
  test: z.tuple([z.literal('CMD')], z.string()),
  interval: DURATION,
  timeout: DURATION,
  retries: z.number().int().positive(),
  start_period: DURATION,
});

/** Compose specification, "services". */
const SERVICE = z.strictObject({
  image: z.string(),
  build: z.strictObject({ context: z.string(), dockerfile: z.string() }).optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.string()).optional(),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.enum(['service_healthy', 'service_started']) })).optional(),
  healthcheck: HEALTHCHECK,
  ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/, 'a port is open on 127.0.0.1 only: 127.0.0.1:HOST:CONTAINER')).optional(),
  volumes: z.array(z.string().regex(/^[\w./-]+:\/[\w./-]+(:ro)?$/)).optional(),
  restart: z.literal('unless-stopped'),
  stop_grace_period: DURATION.optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).optional(),
  cap_drop: z.array(z.literal('ALL')).optional(),
  security_opt: z.array(z.literal('no-new-privileges:true')).optional(),
});

const COMPOSE = z.strictObject({
  name: z.string(),
  'x-role': z.unknown(),
  services: z.record(z.string().regex(/^[a-z][a-z0-9-]*$/), SERVICE),
  volumes: z.record(z.string(), z.null()),
});

const PROMETHEUS = z.strictObject({
  global: z.strictObject({ scrape_interval: DURATION }),
  scrape_configs: z.array(
    z.strictObject({ job_name: z.string(), static_configs: z.array(z.strictObject({ targets: z.array(z.string()).min(1) })) }),
  ),
});

export type Compose = z.infer<typeof COMPOSE>;

export interface DockerTexts {
  readonly compose: string;
  readonly prometheus: string;
  readonly dockerfile: string;
  readonly dockerignore: string;
}

/** An image is named by a version with at least two numbers: `latest` is another one tomorrow. */
const PINNED = /^[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?$/;
const HTTP_OPTION = '--http';

/** YAML with anchors and merge keys, as Compose reads it; a repeated key is an error. */
export function readCompose(text: string): Compose {
  return COMPOSE.parse(parse(text, { merge: true, uniqueKeys: true }));
}

/** Commands of the services that play a role, by service. */
export function roleCommands(compose: Compose): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Object.entries(compose.services).flatMap(([name, { command, build }]) => (build === undefined ? [] : [[name, command ?? []]])),
  );
}

/** Everything that is wrong, each with the service or file it is in; nothing when all is well. */
export function dockerProblems(texts: DockerTexts): string[] {
  let compose: Compose;
  try {
    compose = readCompose(texts.compose);
  } catch (error) {
    return [`compose.yaml: ${error instanceof z.ZodError ? z.prettifyError(error) : error}`];
  }
  return [...serviceProblems(compose), ...roleProblems(compose), ...scrapeProblems(compose, texts.prometheus), ...imageProblems(texts)];
}

function serviceProblems({ services, volumes }: Compose): string[] {
  const problems: string[] = [];
  const hostPorts = new Map<string, string>();
  const mounted = new Set<string>();
  for (const [name, service] of Object.entries(services)) {
    if (!PINNED.test(service.image)) problems.push(`${name}: image ${service.image} is not pinned to a version`);
    for (const needed of Object.keys(service.depends_on ?? {})) {
      if (!(needed in services) || needed === name) problems.push(`${name}: depends on ${needed}, which is no other service`);
    }
    for (const port of service.ports ?? []) {
      const host = port.split(':')[1] ?? '';
      const taken = hostPorts.get(host);
      if (taken !== undefined) problems.push(`${name}: host port ${host} is taken by ${taken}`);
      hostPorts.set(host, name);
    }
    for (const source of (service.volumes ?? []).map((volume) => volume.split(':')[0] ?? '').filter((source) => !source.startsWith('.'))) {
      if (!(source in volumes)) problems.push(`${name}: volume ${source} is not declared`);
      mounted.add(source);
    }
  }
  for (const volume of Object.keys(volumes)) if (!mounted.has(volume)) problems.push(`volume ${volume} is declared and not used`);
  return [...problems, ...addressProblems(services)];
}

/** `name:port` and `//name:port` in environment and commands point to services. */
function addressProblems(services: Compose['services']): string[] {
  const own = new Set(['localhost', '127.0.0.1', '0.0.0.0', ...Object.keys(services)]);
  return Object.entries(services).flatMap(([name, { environment = {}, command = [], healthcheck }]) =>
    [...Object.values(environment), ...command, ...healthcheck.test]
      .flatMap((text) => [...text.matchAll(/(?:^|[/@ '])([a-z][a-z0-9-]*|\d+\.\d+\.\d+\.\d+):\d{2,5}\b/g)].map((match) => match[1] ?? ''))
      .filter((host) => !own.has(host))
      .map((host) => `${name}: the address ${host} is no service`),
  );
}

function roleProblems(compose: Compose): string[] {
  const problems: string[] = [];
  const ids = new Map<string, string>();
  for (const [name, command] of roleCommands(compose)) {
    const optionOf = (option: string): string => command[command.indexOf(option) + 1] ?? '';
    const service = compose.services[name];
    const taken = ids.get(optionOf('--id'));
    if (taken !== undefined) problems.push(`${name}: its id ${optionOf('--id')} is that of ${taken}`);
    ids.set(optionOf('--id'), name);
    if (optionOf('--log') !== service?.environment?.['MIZU_LOG']) problems.push(`${name}: --log and MIZU_LOG are two logs`);
    const port = /^0\.0\.0\.0:(\d+)$/.exec(optionOf(HTTP_OPTION))?.[1];
    if (port === undefined) problems.push(`${name}: ${HTTP_OPTION} must be 0.0.0.0:PORT, so that health and metrics can be asked for`);
    else if (!service?.healthcheck.test.some((text) => text.includes(`127.0.0.1:${port}/healthz`))) {
      problems.push(`${name}: its healthcheck does not ask port ${port}`);
    }
  }
  return problems;
}

function scrapeProblems(compose: Compose, text: string): string[] {
  const read = PROMETHEUS.safeParse(parse(text));
  if (!read.success) return [`prometheus.yml: ${z.prettifyError(read.error)}`];
  const targets = read.data.scrape_configs.flatMap((job) => job.static_configs.flatMap((config) => config.targets)).sort();
  const wanted = [...roleCommands(compose)]
    .map(([name, command]) => `${name}:${command[command.indexOf(HTTP_OPTION) + 1]?.split(':')[1]}`)
    .sort();
  return targets.join() === wanted.join() ? [] : [`prometheus.yml: scrapes ${targets.join(', ')}; the roles are ${wanted.join(', ')}`];
}

function imageProblems({ dockerfile, dockerignore }: DockerTexts): string[] {
  const lines = dockerfile.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const problems: string[] = [];
  const base = /^FROM (\S+)$/.exec(lines[0] ?? '')?.[1] ?? '';
  if (!/^node:24\.\d+\.\d+-slim$/.test(base))
    problems.push(`Dockerfile: the base image is ${base}, a pinned node:24.x.y-slim was expected`);
  const users = lines.filter((line) => line.startsWith('USER '));
  if (users.at(-1) !== 'USER node') problems.push('Dockerfile: the program must not run as root');
  if (!lines.some((line) => line.startsWith('RUN npm ci --omit=dev')))
    problems.push('Dockerfile: packages are installed by npm ci --omit=dev');
  const copied = lines.filter((line) => line.startsWith('COPY ')).flatMap((line) => line.split(' ').slice(1, -1));
  const allowed = dockerignore
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  if (!dockerignore.split('\n').includes('*')) problems.push('.dockerignore: it must leave everything out that it does not name');
  for (const source of copied) if (!allowed.includes(source)) problems.push(`Dockerfile: copies ${source}, which .dockerignore leaves out`);
  for (const source of allowed) if (!copied.includes(source)) problems.push(`.dockerignore: lets ${source} in, which is never copied`);
  return problems;
}
