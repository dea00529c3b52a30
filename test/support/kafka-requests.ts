/** What a client asks of a broker, read from the bytes of its connection: enough to act at one kind of request. Requests here are small enough to be sent in one piece. */

/** Keys of requests in the protocol. */
export const PRODUCE = 0;
const END_TRANSACTION = 26;
/** Length, key, version and correlation id come before the name of the client. */
const CLIENT_AT = 12;

/** Key of the request that begins a piece. */
export function apiKeyOf(piece: Buffer): number {
  return piece.length < 6 ? -1 : piece.readInt16BE(4);
}

/** The transactional id whose transaction a piece asks to end; undefined for every other piece. */
export function endedTransaction(piece: Buffer): string | undefined {
  if (apiKeyOf(piece) !== END_TRANSACTION) return undefined;
  const idAt = textEnd(piece, CLIENT_AT);
  const end = idAt === undefined ? undefined : textEnd(piece, idAt);
  // What only looks like a request, from the middle of a longer one, has no texts in these places.
  return idAt === undefined || end === undefined ? undefined : piece.toString('utf8', idAt + 2, end);
}

/** Where a text ends whose length stands at a place; undefined if it is none. */
function textEnd(piece: Buffer, at: number): number | undefined {
  if (at + 2 > piece.length) return undefined;
  const length = piece.readInt16BE(at);
  const end = at + 2 + length;
  return length < 0 || end > piece.length ? undefined : end;
}
