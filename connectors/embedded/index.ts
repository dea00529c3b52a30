/** The embedded log and a node's local storage, both on `node:sqlite`: one machine, several processes, no server. */
export { type EmbeddedLogOptions, openEmbeddedLog } from './log.ts';
