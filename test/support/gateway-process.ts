/** `mizu gateway` as a process of its own, and requests to it as any program makes them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

export interface GatewayProcess {
  readonly process: ChildProcess;
  /** `http://HOST:PORT`. */
  readonly address: string;
  readonly ended: Promise<number | null>;
  /** All that it printed so far. */
  readonly said: () => string;
}

/** Starts it, and waits until it says where it answers. */
export function startGatewayProcess(args: readonly string[], env: Readonly<Record<string, string>>): Promise<GatewayProcess> {
  const child = spawn(process.execPath, ['cli/main.ts', 'gateway', '--port', '0', ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return new Promise((resolve, reject) => {
    const hear = (part: Buffer): void => {
      text += part.toString();
      const address = /Callers are answered at (http:\/\/[^/\s]+)/.exec(text)?.[1];
      if (address !== undefined) resolve({ process: child, address, ended, said: () => text });
    };
    child.stderr.on('data', hear);
    child.stdout.on('data', hear);
    void ended.then((code) => reject(new RangeError(`it ended with ${code}: ${text}`)));
  });
}

export const askGateway = (address: string, token: string, key: string): Promise<Response> =>
  fetch(`${address}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ model: 'small', messages: [{ role: 'user', content: `Complain about ${key}.` }] }),
  });
