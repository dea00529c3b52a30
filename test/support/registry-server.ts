/**
 * Suites against a real schema registry, shared by all suites of a run, so each uses subjects of its own. It is REGISTRY_URL if that is set, a container
 * where a Docker engine runs, else a Java program.
 */
import { beforeAll } from 'vitest';
import { askForPart, describePart, PART_START_LIMIT_MS } from './parts/describe-part.ts';

/** A suite over a registry. `registry()` is there from the first hook or test on. `url` is the base of the Confluent interface. */
export function describeRegistry(name: string, body: (registry: () => { readonly url: string }) => void): void {
  describePart(name, 'registry', 'registry', () => {
    let url: string | undefined;
    beforeAll(async () => {
      const started = await askForPart('start', 'registry');
      if (typeof started.url !== 'string') throw new Error(`the shared registry did not start: ${started.missing}`);
      url = started.url;
    }, PART_START_LIMIT_MS);
    body(() => {
      if (url === undefined) throw new Error('registry() was called while the suite is put together; call it in a hook or a test');
      return { url };
    });
  });
}

/** Registers a version of a subject; gives the id of its schema. */
export async function registerSchema(url: string, subject: string, schema: object, schemaType: 'AVRO' | 'JSON' = 'AVRO'): Promise<number> {
  const response = await fetch(`${url}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: JSON.stringify(schema), ...(schemaType === 'AVRO' ? {} : { schemaType }) }),
  });
  const body = (await response.json()) as { id: number };
  if (!response.ok) throw new Error(`the registry refused the schema: ${JSON.stringify(body)}`);
  return body.id;
}
