/** Node 22 says of `node:sqlite`, once a process, that it is experimental. Its users chose Mizu, not SQLite: the tests of Mizu run on that version, too. */

/** Every other warning is printed as before. Call it before `node:sqlite` is loaded. */
export function silenceSqlite(): void {
  const printers = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (warning.name === 'ExperimentalWarning' && warning.message.startsWith('SQLite ')) return;
    for (const print of printers) print.call(process, warning);
  });
}
