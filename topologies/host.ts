/** What the compiler needs from outside, over the file system: files and sources beside the workflow file. */
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import type { CompileHost, SchemaVersion, SourceRequest } from '#kernel';
import { messageOf, MizuError } from '#kernel';
import type { FileSource } from '#connectors/files';

/** Largest file that is read whole: a workflow, or one that it names and that is no source. */
export const WHOLE_FILE_LIMIT_BYTES = 64 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;

/** Variables of the environment, as a process is given them. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** Loads what reads files and registries when a workflow asks for it. Remembers the sources it opened, so that a run reads what was compiled without surveying it again. */
export class FileHost implements CompileHost {
  private readonly baseDir: string;
  private readonly env: Variables;
  private readonly sources = new Map<string, FileSource>();

  /**
   * @param baseDir folder of the workflow file; relative paths start there.
   * @param env for who asks a schema registry.
   */
  constructor(baseDir: string, env: Variables) {
    this.baseDir = baseDir;
    this.env = env;
  }

  readFile(path: string): Promise<Uint8Array> {
    return readWhole(path, resolve(this.baseDir, path));
  }

  async openSource(request: SourceRequest): Promise<FileSource['info']> {
    return (await this.source(request)).info;
  }

  async readSchemas(url: string | undefined, subject: string): Promise<readonly SchemaVersion[]> {
    const { env } = this;
    if (url === undefined && !env['MIZU_REGISTRY_URL']) {
      throw new MizuError('INPUT_INVALID', `Where the schemas of '${subject}' are registered is not known`, {
        hint: 'add `registry: "http://…"` to the topic under `sources`, or set MIZU_REGISTRY_URL',
      });
    }
    const { openRegistry } = await import('#connectors/registry');
    return openRegistry({ ...(url === undefined ? {} : { url }), env }).versions(subject);
  }

  /** The opened source of a request. @throws FILE_UNREADABLE, INPUT_INVALID. */
  async source(request: SourceRequest): Promise<FileSource> {
    const key = JSON.stringify(request);
    const known = this.sources.get(key);
    if (known !== undefined) return known;
    const { openFileSource } = await import('#connectors/files');
    const source = await openFileSource(request, this.baseDir);
    this.sources.set(key, source);
    return source;
  }
}

/**
 * All bytes of a file, pipe or device; one without an end ends here, too.
 * @param name as the author wrote it. @throws NOT_FOUND; FILE_UNREADABLE, also past `WHOLE_FILE_LIMIT_BYTES`.
 */
export async function readWhole(name: string, path: string): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    // `end` is the last byte that is read: the first one too many.
    const stream: AsyncIterable<Buffer> = createReadStream(path, { end: WHOLE_FILE_LIMIT_BYTES, highWaterMark: READ_BYTES });
    for await (const chunk of stream) {
      chunks.push(chunk);
      length += chunk.length;
    }
  } catch (error) {
    throw fileProblem(name, error);
  }
  if (length <= WHOLE_FILE_LIMIT_BYTES) return Buffer.concat(chunks);
  throw new MizuError('FILE_UNREADABLE', `Cannot read ${name}: it holds more than ${WHOLE_FILE_LIMIT_BYTES} bytes`, {
    component: name,
    hint: 'large data is a source: read it with the first generate step',
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder, not a file',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
};

/** @returns NOT_FOUND or FILE_UNREADABLE, naming the path as the author wrote it. */
export function fileProblem(path: string, error: unknown): MizuError {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  return new MizuError(code === 'ENOENT' ? 'NOT_FOUND' : 'FILE_UNREADABLE', `Cannot read ${path}: ${REASONS[code] ?? messageOf(error)}`, {
    cause: error,
    component: path,
  });
}
