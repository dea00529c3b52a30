/** Records of a finite source as its entries hold them and its digest is made of them (P13): u32 big-endian length ‖ bytes, one after the other. */

export const PREFIX_BYTES = 4;

export function packSource(records: readonly Uint8Array[]): Uint8Array {
  const length = records.reduce((sum, record) => sum + PREFIX_BYTES + record.length, 0);
  const out = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (const record of records) {
    out.writeUInt32BE(record.length, at);
    out.set(record, at + PREFIX_BYTES);
    at += PREFIX_BYTES + record.length;
  }
  return out;
}
