/** The tables of rights in documents/kafka.md, and the ACLs that they say. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AclEntry, AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs';
import type { RunName } from '#engine';

const DOCUMENT = join(import.meta.dirname, '../../documents/kafka.md');

export interface Rights {
  readonly user: string;
  /** As the table says them; `*` at the end is a prefix. */
  readonly topics: readonly string[];
  readonly ids: readonly string[];
}

/** What a user needs on topics outside of the network. */
export interface OutsideRights {
  readonly user: string;
  readonly read: readonly Operation[];
  /** Whether he needs that only where the topic is read by reference. */
  readonly byReference: boolean;
  readonly published: readonly Operation[];
}

export type Operation = 'READ' | 'WRITE' | 'DESCRIBE' | 'DESCRIBE_CONFIGS';

/** Cells of the rows below this head, without the outer bars. */
function rowsBelow(head: string): string[][] {
  const lines = readFileSync(DOCUMENT, 'utf8').split('\n');
  const at = lines.findIndex((line) => line.startsWith(head));
  const rows: string[][] = [];
  for (let n = at + 2; at >= 0 && lines[n]?.startsWith('|'); n++) rows.push((lines[n] ?? '').split('|').slice(1, -1));
  return rows;
}

const quoted = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((found) => found[1] ?? '');

export function rightsTable(): Rights[] {
  return rowsBelow('| user | WRITE on topics |').map(([user, topics, ids]) => ({
    user: quoted(user)[0] ?? '',
    topics: quoted(topics),
    ids: quoted(ids),
  }));
}

export function outsideRightsTable(): OutsideRights[] {
  const operations = (cell = ''): Operation[] => [...cell.matchAll(/\b[A-Z_]{4,}\b/g)].map(([name]) => name as Operation);
  return rowsBelow('| user | on a topic that is read |').map(([user, read = '', published]) => ({
    user: quoted(user)[0] ?? '',
    read: operations(read),
    byReference: read.includes('`ingest: reference`'),
    published: operations(published),
  }));
}

export function allow(user: string, resourceType: AclResourceTypes, name: string, operation: AclOperationTypes): AclEntry {
  const prefixed = name.endsWith('*');
  return {
    principal: `User:${user}`,
    host: '*',
    permissionType: AclPermissionTypes.ALLOW,
    resourceType,
    resourceName: prefixed ? name.slice(0, -1) : name,
    resourcePatternType: prefixed ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
    operation,
  };
}

/** @param group of the consumer */
export function aclsOf({ user, topics, ids }: Rights, network: string, { name, generation }: RunName, group: string): AclEntry[] {
  const { TOPIC, TRANSACTIONAL_ID, GROUP: CONSUMER_GROUP, CLUSTER } = AclResourceTypes;
  const { READ, WRITE, CREATE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS } = AclOperationTypes;
  const run = `${network}.${name}.${generation}.`;
  const acls = [
    ...topics.map((topic) => allow(user, TOPIC, `${run}${topic}`, WRITE)),
    ...ids.map((id) => allow(user, TRANSACTIONAL_ID, `${network}.${name}/${generation}/${id}`, WRITE)),
  ];
  if (user === 'consumer') return [allow(user, TOPIC, `${run}verified`, READ), allow(user, CONSUMER_GROUP, group, READ)];
  acls.push(...[READ, DESCRIBE_CONFIGS].map((operation) => allow(user, TOPIC, `${network}.*`, operation)));
  if (user === 'deployer') acls.push(...[CREATE, ALTER_CONFIGS].map((operation) => allow(user, TOPIC, `${network}.*`, operation)));
  if (user === 'reader') acls.push(allow(user, CLUSTER, 'kafka-cluster', DESCRIBE));
  return acls;
}
