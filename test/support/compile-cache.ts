/** Before any test: every process and thread of the tests keeps what it compiled where the command itself does, and begins in half the time. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function setup(): void {
  process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'node-compile-cache');
}
