/** The version of this installation, from its package.json. */
import { readFileSync } from 'node:fs';

export function installedVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return /"version":\s*"([^"]+)"/.exec(text)?.[1] ?? 'unknown';
}
