/**
 * A Java server that never outlives the process that started it, however that ends: a shell holds the other end of a pipe, and when the pipe closes
 * it kills the server and removes its folder. Its log goes to a file, so that a busy parent holds nothing up.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

const POLL_MS = 20;
/** A loaded machine of two cores needed 12 s. */
const START_LIMIT_MS = 120_000;
/** A broker that shuts down in order moves its partitions first; then it is killed. */
const STOP_LIMIT_MS = 30_000;
const SAID_LINES = 40;

/** $1 log, $2 folder, then the command. The input ends when this process does; the watcher ends before it when the server ended by itself. */
const WATCHED = `
exec 3<&0 </dev/null; log=$1; folder=$2; shift 2
"$@" 3<&- >>"$log" 2>&1 & child=$!
echo $child
{ read -r word <&3; trap '' TERM; kill -9 $child; while kill -0 $child; do sleep 0.05; done; rm -rf "$folder"; } 2>/dev/null >/dev/null & watcher=$!
exec 3<&- >&-
wait $child
code=$?
kill $watcher
exit $code`;

export interface JvmProcess {
  /** Of the Java program itself. */
  readonly pid: number;
  readonly ended: Promise<void>;
  running(): boolean;
  /** In order, by SIGTERM; by SIGKILL after 30 s. */
  stop(): Promise<void>;
  /** At once, by SIGKILL. */
  kill(): Promise<void>;
}

/** Starts `java ARGS` and waits until its log says `ready` or `ready()` answers true. @throws with the end of its log when it ends before. */
export async function startJvm(options: {
  readonly args: readonly string[];
  readonly log: string;
  /** Removed with everything in it if this process ends without stopping the server. */
  readonly folder: string;
  readonly ready: () => boolean | Promise<boolean>;
}): Promise<JvmProcess> {
  // A session of its own: Ctrl-C in a terminal must not reach the server before this process had its say.
  const shell = spawn('sh', ['-c', WATCHED, 'sh', options.log, options.folder, 'java', ...options.args], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  });
  const ended = new Promise<void>((resolve) => {
    shell.once('exit', () => resolve());
    shell.once('error', () => resolve());
  });
  const pid = await pidOf(shell, ended);
  const server = serverOf(pid, shell, ended);
  const limit = performance.now() + START_LIMIT_MS;
  while (!(await options.ready())) {
    const late = performance.now() > limit;
    if (server.running() && !late) {
      await wait(POLL_MS);
      continue;
    }
    const said = existsSync(options.log) ? readFileSync(options.log, 'utf8').trimEnd().split('\n').slice(-SAID_LINES).join('\n') : '';
    await server.kill();
    throw new Error(
      `java ${options.args.at(-1)} ${late ? `was not ready within ${START_LIMIT_MS} ms` : 'ended while it started'}:\n${said}`,
    );
  }
  return server;
}

async function pidOf(shell: ChildProcess, ended: Promise<void>): Promise<number> {
  const said = new Promise<number>((resolve) => shell.stdout?.once('data', (text: Buffer) => resolve(Number(text.toString()))));
  const pid = await Promise.race([said, ended.then(() => 0)]);
  if (!(pid > 0)) throw new Error('the shell that starts java ended at once: is there an sh in PATH?');
  return pid;
}

function serverOf(pid: number, shell: ChildProcess, ended: Promise<void>): JvmProcess {
  const running = (): boolean => shell.exitCode === null && shell.signalCode === null;
  const signal = (name: 'SIGTERM' | 'SIGKILL' | 'SIGCONT'): void => {
    try {
      if (running()) process.kill(pid, name);
    } catch {
      // It has ended meanwhile.
    }
  };
  const kill = async (): Promise<void> => {
    signal('SIGKILL');
    await ended;
  };
  const stop = async (): Promise<void> => {
    // A paused server can't hear SIGTERM.
    signal('SIGCONT');
    signal('SIGTERM');
    const late = setTimeout(() => signal('SIGKILL'), STOP_LIMIT_MS);
    await ended;
    clearTimeout(late);
  };
  return { pid, ended, running, stop, kill };
}
