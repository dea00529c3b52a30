/**
 * To be loaded before a program (`NODE_OPTIONS=--import=…`): its clock is set back by an hour every 20 ms, in every thread. What measures durations by it waits for
 * hours, or not at all.
 */
const STEP_MS = 20;
const BACK_MS = 3_600_000;

const RealDate = Date;
const now = (): number => RealDate.now() - BACK_MS * Math.floor(performance.now() / STEP_MS);

globalThis.Date = new Proxy(RealDate, {
  get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  construct: (target, words, newTarget) => Reflect.construct(target, words.length === 0 ? [now()] : words, newTarget) as Date,
});
