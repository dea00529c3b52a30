/** Begins work on what comes ahead of whoever takes its outcomes, which come in order. `begin` is called in order, too, and does not reject. */
export async function* begunAhead<T, U>(items: AsyncIterable<T>, ahead: number, begin: (item: T) => Promise<U>): AsyncGenerator<U> {
  const begun: Promise<U>[] = [];
  for await (const item of items) {
    begun.push(begin(item));
    const oldest = begun.length > ahead ? begun.shift() : undefined;
    if (oldest !== undefined) yield await oldest;
  }
  for (const outcome of begun) yield await outcome;
}
