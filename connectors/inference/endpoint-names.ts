/** What an endpoint writes, and as whom. */

/** Topics and writer of an endpoint, by its name. */
export function endpointNames(name: string): Readonly<Record<'title' | 'attestations' | 'keys' | 'usage', string>> {
  const topics = `gateway.${name}`;
  return { title: `gateway/${name}`, attestations: `${topics}.attestations`, keys: `${topics}.keys`, usage: `${topics}.usage` };
}
