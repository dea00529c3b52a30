/** Whether a process of that id runs on this machine. Signal 0 only asks; EPERM means that it lives and belongs to somebody else. */
export function processLives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
