/** The version of this installation, from its package.json: compiled code lies one folder deeper, in dist/. */
import { readFileSync } from 'node:fs';

export function installedVersion(): string {
  const text = readFileSync(new URL(import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json', import.meta.url), 'utf8');
  return /"version":\s*"([^"]+)"/.exec(text)?.[1] ?? 'unknown';
}
