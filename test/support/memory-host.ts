/** A compile host over files in memory; a text source has one record per line. */
import { createHash } from 'node:crypto';
import type { CompileHost } from '../../engine/compile/compile-host.ts';
import { MizuError } from '../../engine/contract/errors.ts';
import { digestHex } from '../../engine/contract/ids.ts';

export function memoryHost(files: Readonly<Record<string, string | Uint8Array>> = {}): CompileHost {
  const bytesOf = (path: string): Uint8Array => {
    const content = files[path];
    if (content === undefined) throw new MizuError('NOT_FOUND', `There is no file '${path}'`);
    return typeof content === 'string' ? new TextEncoder().encode(content) : content;
  };
  return {
    async readFile(path) {
      return bytesOf(path);
    },
    async openSource(request) {
      const records = Buffer.from(bytesOf(request.path))
        .toString('utf8')
        .split('\n')
        .filter((line) => line !== '');
      const digest = digestHex(createHash('sha256').update(records.join('\n')).digest('hex'));
      return {
        format: 'text',
        records: records.length,
        digest,
        sample: records.slice(0, 1_000).map((line) => new TextEncoder().encode(line)),
      };
    },
  };
}
